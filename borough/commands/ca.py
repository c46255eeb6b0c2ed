"""``borough ca …``: the tiers of the certificate authority."""

from __future__ import annotations

import json
from pathlib import Path

import click

from borough.home import Home
from borough.settings import load_settings

_passphrase = click.option(
    "--passphrase-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of the passphrase of the root's key; without it the home's key file opens it.",
)


@click.group()
def ca() -> None:
    """The certificate authority. All verbs but show need the platform to be stopped."""


@ca.command()
@click.option("--json", "json_", is_flag=True, help="One JSON object on the last line.")
def show(json_: bool) -> None:
    """Show every authority that counts, and where its key lies."""
    from borough import tiers

    found = tiers.show(_home())
    if json_:
        click.echo(json.dumps({"tiers": [tier.document() for tier in found]}))
        return
    for tier in found:
        click.echo(f"{tier.name:8} {tier.subject}  trusted until {tier.trusted_until:%Y-%m-%d}")
    if found[0].key is not None:
        click.echo(f"The root's key lies in the home: move {found[0].key} to a safe place.")


@ca.command()
@_passphrase
def init(passphrase_file: Path | None) -> None:
    """Make root and issuing authority; in a home of an earlier version, follow its authority."""
    from borough import tiers

    click.echo(tiers.initialise(_home(), passphrase_file))


@ca.command("issue-issuing")
@click.option(
    "--root-key",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the root's key lies, when it is not in the home.",
)
@_passphrase
def issue_issuing(root_key: Path | None, passphrase_file: Path | None) -> None:
    """Have the root sign another issuing authority."""
    from borough import tiers

    click.echo(tiers.issue_issuing(_home(), root_key, passphrase_file))


@ca.command()
@_passphrase
def rotate(passphrase_file: Path | None) -> None:
    """Make another root; the one before is trusted until its last certificate has ended."""
    from borough import tiers

    click.echo(tiers.rotate(_home(), passphrase_file))


def _home() -> Home:
    return Home(load_settings().home)
