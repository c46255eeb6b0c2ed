"""``borough application …``: register apps, and what they sign in with."""

from __future__ import annotations

import json
from typing import Any

import click

from borough.commands.here import here

_FOR_PEOPLE = ["authorization_code", "refresh_token"]
_AS_JSON = click.option("--json", "json_", is_flag=True, help="One JSON object on the last line.")


@click.group()
def application() -> None:
    """Applications: apps that sign in by themselves or for people."""


@application.command()
@click.argument("name")
@click.option("--project", help="Needed when there is more than one.")
@click.option("--redirect", "redirects", multiple=True, help="Where a browser is sent back to.")
@click.option("--grant", "grants", multiple=True, help="authorization_code, client_credentials …")
@click.option("--scope", "scopes", multiple=True, help="read, write, openid …")
@click.option("--public", is_flag=True, help="For an app that can keep no secret.")
@_AS_JSON
def create(
    name: str,
    project: str | None,
    redirects: tuple[str, ...],
    grants: tuple[str, ...],
    scopes: tuple[str, ...],
    public: bool,
    json_: bool,
) -> None:
    """Register an application of that name; prints its id, and its secret this once."""
    body: dict[str, Any] = {
        "name": name,
        "confidential": not public,
        "redirect_uris": redirects,
        "grants": grants or (_FOR_PEOPLE if redirects else ["client_credentials"]),
    }
    if scopes or not redirects:
        body["scopes"] = scopes or ["read"]
    with here() as client:
        made = client.call(
            "POST", "/applications", body, **({} if project is None else {"project": project})
        )
    _told(made, json_)


@application.command("list")
@_AS_JSON
def listed(json_: bool) -> None:
    """List the applications with when they were used."""
    with here() as client:
        found = client.call("GET", "/applications")
    if json_:
        click.echo(json.dumps({"applications": found}))
        return
    for one in found:
        state = "disabled" if one["disabled"] else one["last_used_at"] or "never used"
        click.echo(f"{one['client_id']}  {state:24}  {one['project']}  {one['name']}")


@application.command()
@click.argument("client_id")
@click.option(
    "--overlap-s", type=click.IntRange(0), default=86_400, show_default=True,
    help="How long the secret before stays good.",
)  # fmt: skip
@_AS_JSON
def rotate(client_id: str, overlap_s: int, json_: bool) -> None:
    """Print another secret of an application, this once."""
    with here() as client:
        body = {"overlap_s": overlap_s}
        _told(client.call("POST", f"/applications/{client_id}/secret", body), json_)


@application.command()
@click.argument("client_id")
@click.option("--undo", is_flag=True, help="Let it in again.")
def disable(client_id: str, undo: bool) -> None:
    """Shut an application out at once, with all its tokens."""
    with here() as client:
        client.call("PATCH", f"/applications/{client_id}", {"disabled": not undo})
    click.echo(f"{client_id} is {'let in again' if undo else 'shut out'}")


def _told(made: dict[str, Any], json_: bool) -> None:
    if json_:
        click.echo(json.dumps(made))
        return
    click.echo(f"client_id      {made['client_id']}")
    if made["client_secret"] is not None:
        click.echo(f"client_secret  {made['client_secret']}")
