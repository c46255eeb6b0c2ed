"""Provenance: are the packages that were imported ours?

PyPI carries packages named ``security`` and ``adapters``; one that is found first on the path would
answer every question of rights in our place.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import ModuleType


class ForeignPackage(Exception):
    """A package of another origin was imported under the name of one of ours."""


def check_packages(root: Path, packages: Iterable[ModuleType]) -> None:
    """Return when every package was loaded from below ``root``.

    Raises:
        ForeignPackage: one was loaded from elsewhere, or from no file at all.
    """
    root = root.resolve()
    for package in packages:
        origin = getattr(package, "__file__", None)
        if origin is None or not Path(origin).resolve().is_relative_to(root):
            raise ForeignPackage(
                f"the package '{package.__name__}' was loaded from {origin or 'no file'}, not from"
                f" {root}; run Borough in an environment of its own, without the package of that"
                " name from PyPI"
            )
