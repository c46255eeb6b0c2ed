"""The set of stream sequences that commits covered, as ranges.

A watermark would not do: after a restart the broker delivers new messages before the old ones that
were not acknowledged, and these lie below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.sample import Millis, Uint64s


class Range(NamedTuple):
    """Sequences from ``first`` to ``last``, both covered."""

    first: int
    last: int


def _none() -> Uint64s:
    return np.empty(0, np.uint64)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Sorted ranges that neither touch nor overlap. Never changed: each change gives a new one.

    ``newest`` is the highest time at which the stream received a covered message. A sequence that
    comes again with a later time was given to another message: the broker lost its last sequences
    in a power loss and counts them anew. Broker and platform then disagree, and the broker's
    message counts as not stored.
    """

    firsts: Uint64s = field(default_factory=_none)
    lasts: Uint64s = field(default_factory=_none)
    newest: int = 0

    @property
    def position(self) -> int:
        """The highest sequence covered, 0 for none."""
        return int(self.lasts[-1]) if len(self.lasts) else 0

    def holds(self, sequences: Uint64s, received: Millis) -> NDArray[np.bool_]:
        """Return which messages are covered."""
        return self._within(sequences) & (received <= self.newest)

    def reused(self, sequences: Uint64s, received: Millis) -> int | None:
        """Return the lowest sequence that came again for another message, None when none did."""
        again = sequences[self._within(sequences) & (received > self.newest)]
        return int(again.min()) if len(again) else None

    def add(self, ranges: Sequence[Range], newest: int, ranges_max: int) -> Coverage:
        """Return the coverage with more ranges; of too many, the oldest gaps are closed."""
        if not ranges:
            return self
        start = int(np.searchsorted(self.lasts, np.uint64(max(ranges[0].first - 1, 0))))
        first = np.concatenate([self.firsts[start:], np.array([r.first for r in ranges], "u8")])
        last = np.concatenate([self.lasts[start:], np.array([r.last for r in ranges], "u8")])
        order = np.argsort(first, kind="stable")
        first, last = first[order], np.maximum.accumulate(last[order])
        opens = np.append(True, first[1:] > last[:-1] + np.uint64(1))
        closes = np.append(opens[1:], True)
        firsts = np.concatenate([self.firsts[:start], first[opens]])
        lasts = np.concatenate([self.lasts[:start], last[closes]])
        excess = len(firsts) - ranges_max
        if excess > 0:
            firsts = np.concatenate([firsts[:1], firsts[excess + 1 :]])
            lasts = lasts[excess:]
        return Coverage(firsts, lasts, max(self.newest, newest))

    def clip(self, last_sequence: int) -> Coverage:
        """Return the coverage without what lies above a sequence."""
        kept = self.firsts <= np.uint64(last_sequence)
        return Coverage(
            self.firsts[kept], np.minimum(self.lasts[kept], np.uint64(last_sequence)), self.newest
        )

    def ranges(self) -> Sequence[Range]:
        """Return the ranges, lowest first."""
        return [*map(Range, self.firsts.tolist(), self.lasts.tolist())]

    def _within(self, sequences: Uint64s) -> NDArray[np.bool_]:
        if not len(self.firsts):
            return np.zeros(len(sequences), bool)
        at = np.searchsorted(self.firsts, sequences, side="right")
        last = self.lasts[np.maximum(at, 1) - 1]
        return np.asarray((at > 0) & (sequences <= last), bool)


def runs(sequences: Uint64s) -> Sequence[Range]:
    """Return sequences as ranges, lowest first."""
    if not len(sequences):
        return []
    ordered = np.unique(sequences)
    breaks = np.flatnonzero(np.diff(ordered) > 1)
    firsts = ordered[np.append(0, breaks + 1)]
    lasts = ordered[np.append(breaks, len(ordered) - 1)]
    return [*map(Range, firsts.tolist(), lasts.tolist())]
