"""Who read or wrote what: how the points of an access are written, and how accesses are asked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from security.limits import ACCESS_RANGES_TOLD_MAX

_RANGE = re.compile(r"(\d{1,10})(?:-(\d{1,10}))?")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to the log of accesses; None asks for all."""

    limit: int
    point: int | None = None
    """Entries that read or wrote this point."""
    subject: str | None = None
    """Name of a user or a client, as ``who`` in the record."""
    kind: str | None = None
    start: int | None = None
    """Milliseconds since 1970 UTC, included."""
    end: int | None = None
    before: int | None = None
    """Entries with a smaller sequence: to go on after a page."""
    act: str | None = None
    """What was done, as ``act`` in the record."""
    chain: int | None = None
    """Entries of this chain, as it has them; ``before`` is then a number in the chain."""
    refused: bool | None = None
    """True for what was refused alone, False for what was not."""


class AccessLog(Protocol):
    """What the record holds, found by point, subject, kind and time."""

    def find(self, asked: Asked) -> Sequence[Mapping[str, Any]]:
        """Return the entries that fit, newest first, as they stand in the record."""
        ...

    def begins(self) -> int:
        """Return the sequence of the oldest entry that can be found, 0 when there is none."""
        ...

    def catch_up(self) -> int:
        """Have everything found that is on record now; return the last sequence."""
        ...

    def own(self, chain: int, first: int, last: int) -> Sequence[tuple[int, bytes]]:
        """Return lines of a chain with their numbers, in order, as the chain has them."""
        ...

    def numbers(self, chain: int, start: int | None, end: int | None) -> tuple[int, int] | None:
        """Return first and last number of a chain's lines within a time, None when none are."""
        ...


def told_points(points: ArrayLike) -> dict[str, object]:
    """Return what an entry of the record says of the points that were read or written.

    ``points`` lists numbers of points as ranges, ``3-17,20``; ``count`` is how many they are. With
    more than ACCESS_RANGES_TOLD_MAX ranges the smallest gaps are closed, so that some points are
    named that were not touched; ``exact`` is False then. None that was touched is left out.
    """
    numbers = np.unique(np.asarray(points, np.int64))
    if not len(numbers):
        return {"points": "", "count": 0}
    gaps = np.diff(numbers)
    breaks = np.flatnonzero(gaps > 1)
    exact = len(breaks) < ACCESS_RANGES_TOLD_MAX
    if not exact:
        widest = np.argsort(gaps[breaks], kind="stable")[len(breaks) + 1 - ACCESS_RANGES_TOLD_MAX :]
        breaks = np.sort(breaks[widest])
    first = numbers[np.concatenate(([0], breaks + 1))].tolist()
    last = numbers[np.concatenate((breaks, [len(numbers) - 1]))].tolist()
    text = ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in zip(first, last, strict=True))
    told: dict[str, object] = {"points": text, "count": len(numbers)}
    return told if exact else {**told, "exact": False}


def ranges_of_text(text: str) -> list[tuple[int, int]]:
    """Return the ranges that `told_points` wrote, both ends included; what is no range is left."""
    found = (_RANGE.fullmatch(part) for part in text.split(","))
    return [(int(m[1]), int(m[2] or m[1])) for m in found if m]
