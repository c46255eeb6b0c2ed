"""``borough project …``: tenants and how much they may have."""

from __future__ import annotations

import json
from typing import Any

import click

from borough.commands.here import here

_AS_JSON = click.option("--json", "json_", is_flag=True, help="One JSON object on the last line.")


@click.group()
def project() -> None:
    """Projects: tenants that own endpoints, and their quotas."""


@project.command()
@click.argument("name")
def create(name: str) -> None:
    """Make a project, in public mode."""
    with here() as client:
        client.call("POST", "/projects", {"name": name})
    click.echo(f"{name} is made")


@project.command("list")
@_AS_JSON
def listed(json_: bool) -> None:
    """List the projects."""
    with here() as client:
        found = client.call("GET", "/projects")
    if json_:
        click.echo(json.dumps({"projects": found}))
        return
    for one in found:
        click.echo(one["name"])


@project.command()
@click.argument("name")
@click.option(
    "--set", "changes", multiple=True, metavar="QUOTA=BOUND",
    help="A number, 'unbounded', or 'default'; may be given several times.",
)  # fmt: skip
@_AS_JSON
def quota(name: str, changes: tuple[str, ...], json_: bool) -> None:
    """Show what a project uses of its quotas, after changing some."""
    body = dict(map(_change, changes))
    with here() as client:
        if body:
            client.call("PUT", f"/projects/{name}/quotas", body)
        found = client.call("GET", f"/projects/{name}/quotas")
    if json_:
        click.echo(json.dumps(found))
        return
    for title, one in found.items():
        bound = "unbounded" if one["bound"] is None else f"{one['bound']:,}"
        mark = "set for this project" if one["own"] else "default"
        click.echo(f"{title:18} {one['used']:>18,} of {bound:>18}  {mark}")


def _change(text: str) -> tuple[str, Any]:
    name, sign, bound = text.partition("=")
    if not sign:
        raise click.UsageError(f"{text!r} is not QUOTA=BOUND")
    if bound == "default":
        return name, None
    if bound == "unbounded":
        return name, bound
    if not bound.isdecimal():
        raise click.UsageError(f"{bound!r} is no number, 'unbounded' or 'default'")
    return name, int(bound)
