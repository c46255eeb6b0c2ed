"""``borough adapter …``: what can be read, and which devices are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from borough.commands.here import here
from borough.home import HomeError

_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def adapter() -> None:
    """Adapters of legacy protocols and their connections."""


@adapter.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line.")
def listed(as_json: bool) -> None:
    """List the adapters that ship with this version, with how well each is proven."""
    from adapters.catalogue import ADAPTERS, manifest

    manifests = [manifest(name) for name in sorted(ADAPTERS)]
    if as_json:
        entries = [{"name": found.name, "tier": found.tier.value} for found in manifests]
        click.echo(json.dumps({"adapters": entries}))
        return
    for found in manifests:
        click.echo(f"{found.name:12} {found.tier.value:12} {found.title}")


@adapter.command()
@_FILE
def check(file: Path) -> None:
    """Check a connection document (YAML or JSON) without connecting to anything."""
    from adapters.catalogue import ADAPTERS
    from ciaas.sensorisation.connection import DocumentError, check_document

    try:
        plan = check_document(_read(file), ADAPTERS)
    except DocumentError as error:
        raise HomeError(f"{file}: {error}") from error
    points = sum(len(device.points) for device in plan.devices)
    click.echo(f"{file} is good: {len(plan.devices)} devices, {points} points")


@adapter.command()
@_FILE
@click.option("--project", help="Needed when there is more than one.")
def add(file: Path, project: str | None) -> None:
    """Enrol the devices of a connection document and start to read them."""
    document = _read(file)
    query = {} if project is None else {"project": project}
    with here() as client:
        done = client.call("PUT", f"/connections/{document.get('name', '')}", document, **query)
    click.echo(
        f"connection {done['name']}, revision {done['revision']}: "
        f"{len(done['endpoints'])} endpoints, {len(done['created'])} of them new"
    )
    for note in done["notes"]:
        click.echo(note)


@adapter.command()
@click.argument("name")
@click.option("--host", required=True, help="The one host that it is for, as the document has it.")
def secret(name: str, host: str) -> None:
    """Keep a secret that documents name; it is read from the terminal, or from standard input."""
    import re
    import sys

    from borough.home import Home
    from borough.roles.adapter_means import SECRET_CHARS_MAX, SealedSecrets
    from borough.settings import load_settings
    from borough.wiring import open_keys
    from ciaas.sensorisation.secrets import NAME_FORM
    from security.encryption.private_file import PrivateFileError

    if not re.fullmatch(NAME_FORM, name):
        raise HomeError(f"{name!r} is no name of a secret: use a to z, 0 to 9 and hyphens")
    if sys.stdin.isatty():
        value = click.prompt(f"Secret {name} for {host}", hide_input=True)
    else:
        value = sys.stdin.read(SECRET_CHARS_MAX + 2).rstrip("\r\n")
    if not value or len(value) > SECRET_CHARS_MAX or not value.isprintable():
        raise HomeError(f"a secret is one line of at most {SECRET_CHARS_MAX} characters")
    home = Home(load_settings().home)
    try:
        SealedSecrets(home.secrets, open_keys(home)).keep(name, host, value)
    except PrivateFileError as error:
        raise HomeError(str(error)) from error
    click.echo(f"secret {name} is kept for {host}; connections that wait for it try it when they")
    click.echo("are added again, or when field starts")


def _read(file: Path) -> dict[str, Any]:
    from ciaas.sensorisation.profile.text import TextError, read_text

    try:
        return read_text(file.read_text(encoding="utf-8"))
    except (TextError, UnicodeDecodeError) as error:
        raise HomeError(f"{file}: {error}") from error
