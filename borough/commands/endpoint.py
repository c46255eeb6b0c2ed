"""``borough endpoint …``: enrol the endpoints of devices."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from borough.commands.here import here


@click.group()
def endpoint() -> None:
    """Endpoints: the logical things of the city."""


@endpoint.command("list")
def listed() -> None:
    """List the endpoints with whether they are online."""
    with here() as client:
        for found in client.pages("/endpoints", "uuid"):
            state = "online" if found["online"] else "offline"
            click.echo(f"{found['uuid']}  {state:8} {found['friendlyName']}")


@endpoint.command()
@click.argument("name")
@click.option("--project", help="Needed when there is more than one.")
def create(name: str, project: str | None) -> None:
    """Create an endpoint of that friendly name; prints its UUID."""
    query = {"friendlyName": name} | ({} if project is None else {"project": project})
    with here() as client:
        click.echo(client.call("POST", "/endpoints", None, **query)["uuid"])


@endpoint.command()
@click.argument("uuid")
def certificates(uuid: str) -> None:
    """List the endpoint's certificates with their ends, oldest first."""
    with here() as client:
        for found in client.call("GET", f"/endpoints/{uuid}/certificates"):
            ends = datetime.fromtimestamp(found["notAfter"] / 1000, UTC)
            state = "revoked" if found["revoked"] else "in force"
            state = "ended" if ends <= datetime.now(UTC) else state
            click.echo(f"{found['serial']}  {state:8} until {ends:%Y-%m-%d %H:%M} UTC")


@endpoint.command()
@click.argument("uuid")
@click.argument("serial", required=False)
def revoke(uuid: str, serial: str | None) -> None:
    """Deny a certificate of the endpoint, or all of them; its device is disconnected."""
    path = f"/endpoints/{uuid}/certificates"
    with here() as client:
        if serial is not None:
            client.call("DELETE", f"{path}/{serial}")
            click.echo(f"{serial} is denied from now on")
            return
        count = client.call("DELETE", path)["certificatesRevoked"]
    click.echo(f"certificates denied from now on: {count}")


@endpoint.command()
@click.argument("uuid")
@click.argument("archive", type=click.Path(dir_okay=False, path_type=Path))
def bundle(uuid: str, archive: Path) -> None:
    """Write the zip with certificate, key and properties for the endpoint's device.

    An ARCHIVE that ends with .jar has key stores for cloud.iO's Java library instead.
    """
    kind = "application/java-archive" if archive.suffix == ".jar" else "application/zip"
    with here() as client:
        token = client.text("POST", f"/endpoints/{uuid}/provisionToken")
        archive.unlink(missing_ok=True)  # it holds a private key: nobody's looser mode is kept
        archive.touch(0o600, exist_ok=False)
        archive.write_bytes(client.download(f"/provision/{token}", kind))
    click.echo(f"{archive}: unpack it into ~/.config/cloud.io of the device")
