"""What flows on a wire: keyed values in event time, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.sample import Millis, Numbers, Uint32s


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """Events of one output, ordered by time, then key; a key has one value at a time.

    ``key`` indexes the plan's list of keys, ``time`` is milliseconds since 1970 UTC, ``value`` is
    1 or 0 for a Boolean and NaN for a text.
    """

    key: Uint32s
    time: Millis
    value: Numbers

    def __len__(self) -> int:
        return len(self.key)

    def where(self, rows: NDArray[Any]) -> Flow:
        """Return the rows of a mask."""
        return Flow(self.key[rows], self.time[rows], self.value[rows])

    def valued(self, value: Numbers) -> Flow:
        """Return the same events with other values; those without a number are left out."""
        return Flow(self.key, self.time, value).where(~np.isnan(value))

    @staticmethod
    def ordered(key: Uint32s, time: Millis, value: Numbers) -> Flow:
        """Return events that come in any order."""
        order = np.lexsort((key, time))
        return Flow(key[order], time[order], value[order])

    @staticmethod
    def empty() -> Flow:
        """Return no events."""
        return Flow(np.empty(0, np.uint32), np.empty(0, np.int64), np.empty(0))

    @staticmethod
    def joined(flows: Sequence[Flow]) -> Flow:
        """Return the events of flows that follow one another in time."""
        return Flow(
            np.concatenate([flow.key for flow in flows]),
            np.concatenate([flow.time for flow in flows]),
            np.concatenate([flow.value for flow in flows]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class ByKey:
    """The events of a flow, key by key, each key's in order of time."""

    order: NDArray[np.intp]
    """Rows of the flow in this order."""
    key: Uint32s
    time: Millis
    value: Numbers
    first: NDArray[np.bool_]
    """Where another key begins."""

    @staticmethod
    def of(flow: Flow) -> ByKey:
        """Return the events of a flow by key."""
        order = np.argsort(flow.key, kind="stable")
        key = flow.key[order]
        first = np.ones(len(key), np.bool_)
        first[1:] = key[1:] != key[:-1]
        return ByKey(order, key, flow.time[order], flow.value[order], first)

    @property
    def last(self) -> NDArray[np.bool_]:
        """Where a key ends."""
        return np.append(self.first[1:], True) if len(self.first) else self.first
