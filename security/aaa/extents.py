"""What a grant covers: everything below a prefix, or a set of a project's points or endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Path: TypeAlias = tuple[str, ...]
"""``(project id as text, endpoint, node, …)``; the empty path stands for everything."""


class SetKind(StrEnum):
    """Kinds of sets. All of them rank alike: narrower than the project, wider than an endpoint."""

    CLASS = "class"
    """Points whose object conforms to a class, or whose node implements it."""
    SELECTION = "selection"
    """Points that a saved filter holds for."""
    ENDPOINTS = "endpoints"
    """Named endpoints, with all that is below them."""


class SetExtent(NamedTuple):
    """A set of one project."""

    kind: SetKind
    project: str
    """Number as text."""
    name: str
    """The class, or the number of the selection or endpoint group as text."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.project}/{self.name}"


Extent: TypeAlias = Path | SetExtent


def extent_text(extent: Extent) -> str:
    """Return an extent as it is kept: levels joined by ``/``, or ``<kind>:<project>/<name>``."""
    if isinstance(extent, SetExtent):
        return str(extent)
    # Two paths must never have the same text: one subject's right would become another's.
    assert all(level and "/" not in level for level in extent), extent
    return "/".join(extent)


def extent_of(text: str) -> Extent:
    """Return the extent of which `extent_text` made this text."""
    head, colon, rest = text.partition(":")
    # No path begins so: its first level is a number.
    if colon and head in SetKind.__members__.values():
        project, _, name = rest.partition("/")
        return SetExtent(SetKind(head), project, name)
    return tuple(text.split("/")) if text else ()


class Sets(Protocol):
    """Who is in a set now; may be asked from any thread. Sets are named as `extent_text` writes."""

    def number(self, path: Path) -> int | None:
        """Return the number of a point, None when the path is not one of a point in force."""
        ...

    def has(self, key: str, path: Path, number: int | None) -> bool:
        """Tell whether a path is in the set; ``number`` is what `number` returns for it."""
        ...

    def mask(
        self, key: str, paths: Sequence[Path], numbers: NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        """Return which of these paths are in the set; a number below 0 is no point's."""
        ...

    def below(self, key: str, path: Path) -> Iterator[Path]:
        """Yield the members at or below a path: points, or of endpoint groups endpoints.

        A path below an endpoint of a group is such a member itself.
        """
        ...
