"""Samples as columns: what every flow of the platform passes from hand to hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Uint8s: TypeAlias = NDArray[np.uint8]
Uint16s: TypeAlias = NDArray[np.uint16]
Uint32s: TypeAlias = NDArray[np.uint32]
Uint64s: TypeAlias = NDArray[np.uint64]
Millis: TypeAlias = NDArray[np.int64]
Numbers: TypeAlias = NDArray[np.float64]
Texts: TypeAlias = NDArray[np.object_]


class Kind(IntEnum):
    """What a sample's value is; decides which of the columns ``num`` and ``txt`` holds it."""

    NULL = 0
    """No value was given: ``num`` is NaN, ``txt`` None."""
    NUMBER = 1
    BOOLEAN = 2
    """``num`` is 0 or 1."""
    TEXT = 3
    INTEGER = 4
    """``num`` is exact up to 2**53; above, ``raw`` holds the exact decimal text."""


class Verdict(IntEnum):
    """How far a sample may be trusted. A verdict never alters or drops the value."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


class Reason(IntEnum):
    """Why a sample is not simply good. Codes are stored: never renumber."""

    NONE = 0
    NO_TIMESTAMP = 1
    """The sender gave no time; observed_at is received_at. Uncertain."""
    TYPE_MISMATCH = 2
    """The value is not of the point's declared type. Bad."""
    OUT_OF_RANGE = 3
    """Outside the range of the point's overlay. Bad."""
    RATE = 4
    """Changed faster than the overlay's maximum rate. Uncertain."""
    STALE = 5
    """Received later than the overlay's staleness limit after it was observed. Uncertain."""
    READ_ERROR = 6
    """The adapter could not read or decode it; the value is null. Bad."""
    NOT_FINITE = 7
    """Infinity or not-a-number; kept in ``raw``, the value is null. Bad."""
    NULL_VALUE = 8
    """The sender gave null. Uncertain."""
    ESTIMATED = 9
    """Held or interpolated between two measurements, as the overlay says. Uncertain."""
    NOT_IN_ENUM = 10
    """Not one of the overlay's allowed values. Bad."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Samples as equally long columns, one row a sample, in the order they arrived.

    Times are milliseconds since 1970 UTC. ``num`` is NaN and ``txt`` None where the kind says the
    other column holds the value. ``raw`` is the value as sent, as text, only where it differs from
    the value stored, else None. ``source`` is the registry's number of what delivered the sample.
    ``revision`` is 0 until history finds other values for the same point and time.
    """

    point: Uint32s
    observed: Millis
    received: Millis
    kind: Uint8s
    num: Numbers
    txt: Texts
    verdict: Uint8s
    reason: Uint16s
    raw: Texts
    source: Uint32s
    revision: Uint16s

    def __len__(self) -> int:
        return len(self.point)

    def select(self, rows: NDArray[Any]) -> Frame:
        """Return the rows that a boolean mask or an index array names, in its order."""
        return Frame(*(getattr(self, field.name)[rows] for field in fields(self)))

    @staticmethod
    def concat(frames: Sequence[Frame]) -> Frame:
        """Join frames in order; an empty sequence gives an empty frame."""
        if len(frames) == 1:
            return frames[0]
        if not frames:
            return Frame.empty()
        return Frame(
            *(
                np.concatenate([getattr(frame, field.name) for frame in frames])
                for field in fields(Frame)
            )
        )

    @staticmethod
    def empty() -> Frame:
        """Return a frame without rows."""
        return Frame(**{name: np.empty(0, dtype) for name, dtype in DTYPES.items()})


DTYPES: dict[str, Any] = {
    "point": np.uint32,
    "observed": np.int64,
    "received": np.int64,
    "kind": np.uint8,
    "num": np.float64,
    "txt": np.object_,
    "verdict": np.uint8,
    "reason": np.uint16,
    "raw": np.object_,
    "source": np.uint32,
    "revision": np.uint16,
}
"""Column name to numpy type, in the order of the fields of `Frame`."""
