"""``borough audit``: the record, verified by a program of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from borough.home import Home
from borough.settings import load_settings

_PROGRAM = Path(__file__).parents[1] / "audit_verify.py"


@click.group()
def audit() -> None:
    """Verify the record."""


@audit.command()
@click.option("--from", "directory", type=click.Path(path_type=Path), help="Another record.")
@click.option(
    "--checkpoints",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    help="Further checkpoints, such as those kept on another machine.",
)
@click.option("--registry", type=click.Path(path_type=Path, exists=True), help="registry.sqlite")
@click.option("--key", type=click.Path(path_type=Path, exists=True), help="Public key, PEM.")
@click.option(
    "--proof", type=click.Path(path_type=Path, exists=True), help="The proof of one record."
)
@click.option(
    "--record",
    type=click.Path(path_type=Path, exists=True),
    help="With --proof: a file with the record's line.",
)
@click.option(
    "--export",
    type=click.Path(path_type=Path, exists=True),
    help="An export instead of the record.",
)
def verify(directory: Path | None, checkpoints: tuple[Path, ...], **files: Path | None) -> None:
    """Verify the record offline; exit code 1 and the first bad record on the last line.

    The program that does it imports nothing of Borough and takes no lock.
    """
    words = [str(directory or Home(load_settings().home).audit)]
    for path in checkpoints:
        words += ["--checkpoints", str(path)]
    for option, file in files.items():
        words += [f"--{option}", str(file)] if file else []
    # In the place of this process, isolated from its folder and environment.
    os.execv(sys.executable, [sys.executable, "-I", str(_PROGRAM), *words])  # noqa: S606
