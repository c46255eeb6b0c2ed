"""``borough report``: how dependable every resource was, as a page."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlencode

import click

from borough.commands.here import here


@click.command()
@click.option("--from", "start", help="Begin, RFC 3339 or UTC; 30 days before the end if left out.")
@click.option("--to", "end", help="End; now if left out.")
@click.option(
    "--kind",
    type=click.Choice(["host", "role", "store", "connection", "device", "job", "point"]),
    help="Only resources of this kind; points are reported only if asked for.",
)
@click.option("--endpoint", help="Only what belongs to the endpoint of this UUID.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The HTML file to write.",
)
@click.option("--json", "json_", is_flag=True, help="The figures as one JSON object, last line.")
def report(
    start: str | None,
    end: str | None,
    kind: str | None,
    endpoint: str | None,
    out: Path,
    json_: bool,
) -> None:
    """Write availability, failures, MTBF and MTTR of every resource as one HTML file."""
    asked = {"from": start, "to": end, "kind": kind, "endpoint": endpoint}
    query = {name: value for name, value in asked.items() if value is not None}
    with here() as client:
        page = client.download(f"/dependability/report?{urlencode(query)}", "text/html")
        figures = client.call("GET", "/dependability", None, **query)
    out.write_bytes(page)
    click.echo(f"{out}: {len(figures['resources'])} resources")
    if json_:
        click.echo(json.dumps(figures))
