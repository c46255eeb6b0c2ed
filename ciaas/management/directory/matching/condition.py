"""Conditions on rows: what is certain at once, and what a sample has to decide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.sample import Frame

Mask: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = NDArray[np.intp]


class Condition(Protocol):
    """Holds for a row certainly, possibly or not at all; a sample of the row settles it."""

    def certain(self) -> Mask:
        """Return the rows for which it holds whatever the sample is."""
        ...

    def possible(self) -> Mask:
        """Return the rows for which some sample would fulfil it."""
        ...

    def settle(self, rows: Rows, frame: Frame) -> Mask:
        """Return whether it holds for each of these rows with the sample beside it."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """Settled without a sample."""

    mask: Mask

    def certain(self) -> Mask:
        """Return the rows for which it holds."""
        return self.mask

    def possible(self) -> Mask:
        """Return the rows for which it holds."""
        return self.mask

    def settle(self, rows: Rows, frame: Frame) -> Mask:
        """Return the mask at the rows."""
        return self.mask[rows]


@dataclass(frozen=True, slots=True)
class Sampled:
    """Settled by the sample alone."""

    table_rows: int
    test: Callable[[Frame], Mask]

    def certain(self) -> Mask:
        """Return no row."""
        return np.zeros(self.table_rows, np.bool_)

    def possible(self) -> Mask:
        """Return every row."""
        return np.ones(self.table_rows, np.bool_)

    def settle(self, rows: Rows, frame: Frame) -> Mask:
        """Return what the samples say."""
        return self.test(frame)


@dataclass(frozen=True, slots=True)
class Both:
    """All of several conditions, at least one."""

    parts: Sequence[Condition]

    def certain(self) -> Mask:
        """Return the rows that are certain in each."""
        return reduce(np.logical_and, (part.certain() for part in self.parts))

    def possible(self) -> Mask:
        """Return the rows that are possible in each."""
        return reduce(np.logical_and, (part.possible() for part in self.parts))

    def settle(self, rows: Rows, frame: Frame) -> Mask:
        """Return where all hold."""
        return reduce(np.logical_and, (part.settle(rows, frame) for part in self.parts))


@dataclass(frozen=True, slots=True)
class Either:
    """One of several conditions, at least one."""

    parts: Sequence[Condition]

    def certain(self) -> Mask:
        """Return the rows that are certain in one."""
        return reduce(np.logical_or, (part.certain() for part in self.parts))

    def possible(self) -> Mask:
        """Return the rows that are possible in one."""
        return reduce(np.logical_or, (part.possible() for part in self.parts))

    def settle(self, rows: Rows, frame: Frame) -> Mask:
        """Return where one holds."""
        return reduce(np.logical_or, (part.settle(rows, frame) for part in self.parts))


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary of a condition."""

    part: Condition

    def certain(self) -> Mask:
        """Return the rows for which the part is impossible."""
        return ~self.part.possible()

    def possible(self) -> Mask:
        """Return the rows for which the part is not certain."""
        return ~self.part.certain()

    def settle(self, rows: Rows, frame: Frame) -> Mask:
        """Return where the part does not hold."""
        return ~self.part.settle(rows, frame)
