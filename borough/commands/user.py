"""``borough user …``: people's accounts, invitations and sessions."""

from __future__ import annotations

import json
from typing import Any

import click

from borough.commands.here import here

_AS_JSON = click.option("--json", "json_", is_flag=True, help="One JSON object on the last line.")


@click.group()
def user() -> None:
    """People: invite them, see when they were there, shut them out."""


@user.command()
@click.argument("note")
@click.option("--project", help="Where the person gets a level.")
@click.option("--level", help="READ, WRITE, CONFIGURE …")
@click.option("--admin", is_flag=True, help="An administrator of the platform.")
@_AS_JSON
def invite(note: str, project: str | None, level: str | None, admin: bool, json_: bool) -> None:
    """Invite somebody, told by a NOTE; prints a token that is good once, on the last line."""
    body: dict[str, Any] = {"note": note, "admin": admin, "project": project, "level": level}
    with here() as client:
        made = client.call("POST", "/invitations", body)
    if json_:
        click.echo(json.dumps(made))
        return
    click.echo(f"invitation {made['id']}, good until {made['expires_at']}")
    click.echo(made["token"])


@user.command("list")
@_AS_JSON
def listed(json_: bool) -> None:
    """List people and automations with when they were there last."""
    with here() as client:
        found = client.call("GET", "/users")
        invited = client.call("GET", "/invitations")
    if json_:
        click.echo(json.dumps({"users": found, "invitations": invited}))
        return
    for one in found:
        state = "disabled" if one["disabled"] else one["last_used_at"] or "never there"
        marks = [mark for mark in ("admin", "second_factor") if one[mark]]
        click.echo(f"{one['name']:24}  {state:26}  {' '.join(marks)}")
    for one in invited:
        click.echo(f"invitation {one['id']:13}  until {one['expires_at']:20}  {one['note']}")


@user.command()
@click.argument("name")
@click.option("--undo", is_flag=True, help="Let the user in again.")
def disable(name: str, undo: bool) -> None:
    """Shut a user out at once and end all sessions."""
    with here() as client:
        client.call("PATCH", f"/users/{name}", {"disabled": not undo})
    click.echo(f"{name} is {'let in again' if undo else 'shut out'}")


@user.command()
@click.argument("name")
@click.confirmation_option(prompt="Grants and credentials go, the name stays taken. Go on?")
def delete(name: str) -> None:
    """Delete a user; what was done stays on record."""
    with here() as client:
        client.call("DELETE", f"/users/{name}")
    click.echo(f"{name} is deleted")


@user.command("reset-factor")
@click.argument("name")
def reset_factor(name: str) -> None:
    """Take the second factor from who has lost it, and end all sessions."""
    with here() as client:
        client.call("DELETE", f"/users/{name}/second-factor")
    click.echo(f"{name} signs in by password alone until another one is set up")


@user.command()
@click.argument("name")
@click.option("--end", is_flag=True, help="End all of them.")
@_AS_JSON
def sessions(name: str, end: bool, json_: bool) -> None:
    """List what a user is signed in by, or end all of it."""
    with here() as client:
        if end:
            told = client.call("DELETE", f"/users/{name}/sessions")
            click.echo(json.dumps(told) if json_ else f"{told['ended']} sessions ended")
            return
        found = client.call("GET", f"/users/{name}/sessions")
    if json_:
        click.echo(json.dumps({"sessions": found}))
        return
    for one in found:
        used = one["last_used_at"] or "never"
        source = one["last_used_from"] or ""
        click.echo(f"{one['id']:20}  {one['kind']:12}  {used:26}  {source:16}  {one['label']}")
