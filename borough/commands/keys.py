"""``borough keys …``: the key ring of this home, and named keys of projects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from borough.commands.here import here
from borough.home import Home, HomeError
from borough.settings import load_settings

_as_json = click.option("--json", "json_", is_flag=True, help="One JSON object on the last line.")
_project = click.option("--project", help="Needed when there is more than one.")


@click.group()
def keys() -> None:
    """The key ring that all secrets lie under, and keys that applications use."""


@keys.command()
@_as_json
def status(json_: bool) -> None:
    """Show the versions of the ring, and how far all secrets lie under the newest."""
    with here() as client:
        _show(client.call("GET", "/keys/ring"), json_)


@keys.command()
@_as_json
def rotate(json_: bool) -> None:
    """Make a new version of the ring; secrets are wrapped anew while everything goes on."""
    with here() as client:
        _show(client.call("POST", "/keys/rotate"), json_)
    if not json_:
        click.echo("Copy keys.json anew: older copies do not open what is sealed from now on.")


@keys.command()
@click.argument("version", type=click.IntRange(min=1))
@_as_json
def forget(version: int, json_: bool) -> None:
    """Destroy an old version of the ring, with what old backups hold under it."""
    with here() as client:
        _show(client.call("DELETE", f"/keys/ring/{version}"), json_)


@keys.command()
@click.argument("method", type=click.Choice(["file", "environment", "passphrase"]))
def unlock(method: str) -> None:
    """Have the ring open by its file, by BOROUGH_UNLOCK, or by a passphrase; Borough is stopped.

    The new passphrase is read from the terminal, or from standard input.
    """
    from borough.roles.watch import held
    from borough.unlock import new_passphrase
    from borough.wiring import complete_keys
    from security.encryption.keyring import KeyRingError
    from security.encryption.unlocking import Method, Unlock, UnlockingError

    home = Home(load_settings().home)
    if not home.keys.exists():
        raise HomeError(f"{home.path} has no key file yet; start Borough once: borough up")
    with held(home):
        ring = complete_keys(home)
        try:
            if method == Method.FILE:
                ring.lock_with(Unlock.by_file())
            else:
                ring.lock_with(Unlock.by_passphrase(Method(method)), new_passphrase())
        except (KeyRingError, UnlockingError) as error:
            raise HomeError(str(error)) from error
    click.echo(
        f"The key ring opens by {method} from now on. Copies of the old key file open as before:"
        " destroy them, or rotate the ring after the next start."
    )


@keys.command("list")
@_project
@_as_json
def listed(project: str | None, json_: bool) -> None:
    """List named keys: project, name, what each is for, its newest version."""
    with here() as client:
        found = client.call("GET", "/keys", None, **_named(project))
    if json_:
        click.echo(json.dumps({"keys": found}))
        return
    for key in found:
        rest = "  disabled" if key["disabled"] else ""
        newest = key["versions"][-1]["version"]
        click.echo(f"{key['project']:16} {key['name']:24} {key['use']:8} {newest:>4}{rest}")


@keys.command()
@click.argument("name")
@click.option("--use", type=click.Choice(["encrypt", "sign"]), required=True)
@_project
def create(name: str, use: str, project: str | None) -> None:
    """Make a named key for applications."""
    with here() as client:
        made = client.call("POST", "/keys", {"name": name, "use": use}, **_named(project))
    click.echo(
        f"key {made['name']} of project {made['project']}; grant its use with the prefix"
        f" key:{made['project']}/{made['name']}"
    )


@keys.command()
@_project
@_as_json
def subjects(project: str | None, json_: bool) -> None:
    """List data subjects whose values lie encrypted: project, id, and when erased."""
    with here() as client:
        found = client.call("GET", "/data-subjects", None, **_named(project))
    if json_:
        click.echo(json.dumps({"subjects": found}))
        return
    for subject in found:
        gone = f"  erased {subject['erased_at']}" if subject["erased_at"] else ""
        click.echo(f"{subject['project']:16} {subject['id']}{gone}")


@keys.command()
@click.argument("subject")
@_project
@click.confirmation_option(prompt="All values of this data subject are lost for ever. Go on?")
def erase(subject: str, project: str | None) -> None:
    """Destroy the key of a data subject, and with it all values under it."""
    from urllib.parse import quote

    with here() as client:
        client.call("DELETE", f"/data-subjects/{quote(subject, safe='')}", **_named(project))
    click.echo(
        f"{subject} is erased. Put the folder subjects/ of the home in the place of its copy, and"
        " destroy older copies."
    )


def _named(project: str | None) -> dict[str, str]:
    return {} if project is None else {"project": project}


def _show(found: Mapping[str, Any], json_: bool) -> None:
    if json_:
        click.echo(json.dumps(found))
        return
    click.echo(f"opens by {found['unlock']}; version {found['version']} seals")
    for version in found["versions"]:
        made = (
            f"{datetime.fromtimestamp(version['made_at'] / 1000, UTC):%Y-%m-%d %H:%M} UTC"
            if version["made_at"]
            else "before versions"
        )
        click.echo(f"version {version['version']:>3}  {made:20}  {version['secrets']} secrets")
    rewrap = found["rewrap"]
    click.echo(
        "all secrets lie under the newest version"
        if rewrap["done"] and not rewrap["failed"]
        else f"wrapped anew: {rewrap['seen']} of {rewrap['total']} looked at"
    )
    for failure in rewrap["failures"]:
        click.echo(f"does not open: {failure}")
    if rewrap["trouble"]:
        click.echo(f"waits: {rewrap['trouble']}")
