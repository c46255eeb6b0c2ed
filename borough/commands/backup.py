"""``borough backup`` and ``borough restore``."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from borough.commands.here import here
from borough.home import Home, HomeError
from borough.settings import load_settings

_as_json = click.option("--json", "json_", is_flag=True, help="One JSON object on the last line.")


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@_as_json
def backup(target: Path, json_: bool) -> None:
    """Copy the running platform into a file, or into a new file of a folder.

    The key file is not in it: keep keys.json of the home elsewhere, a restore needs it.
    """
    from borough.archive import check

    path = target / f"borough-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar" if target.is_dir() else target
    if path.exists():
        raise HomeError(f"{path} exists already and is never overwritten; name another file")
    if not path.parent.is_dir():
        raise HomeError(f"there is no folder {path.parent}; make it first")
    draft = path.with_name(f".{path.name}.part")
    began = time.monotonic()
    try:
        with here() as client:
            client.save("/backup", draft)
        content = check(draft)
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    seconds = time.monotonic() - began
    facts = {"file": str(path), "files": content.files, "bytes": content.size, "seconds": seconds}
    if json_:
        click.echo(json.dumps(facts))
    else:
        click.echo(f"{path}: {content.files} files, {content.size / 1e6:.1f} MB, {seconds:.1f} s")


@click.command()
@click.argument("archive", type=click.Path(path_type=Path))
@click.option("--keys", type=click.Path(path_type=Path), help="keys.json of the old home.")
@click.option(
    "--subjects",
    type=click.Path(path_type=Path),
    help="Copy of the old home's folder of keys of data subjects.",
)
@_as_json
def restore(archive: Path, keys: Path | None, subjects: Path | None, json_: bool) -> None:
    """Bring a backup back into an empty home, and check all of it."""
    from borough.restoring import restore as bring_back

    home = Home(load_settings().home)
    found = bring_back(home, archive, keys, subjects)
    if json_:
        click.echo(json.dumps(asdict(found) | {"home": str(home.path)}))
        return
    click.echo(
        f"{home.path}: {found.samples} samples in {found.commits} commits, {found.endpoints} "
        f"endpoints, {found.grants} grants; record {found.record}. Start it with: borough up"
    )
