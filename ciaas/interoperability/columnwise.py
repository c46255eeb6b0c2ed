"""What each word of a formula does with columns; the same results as `pointwise`, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]
_Given = Column | float

add, subtract, multiply = np.add, np.subtract, np.multiply
negative, positive, abs_ = np.negative, np.positive, np.abs
min_, max_ = np.minimum, np.maximum
round_, floor_, ceil_ = np.rint, np.floor, np.ceil
exp_ = np.exp


def finite(value: _Given) -> Column:
    """Return the rows as numbers, NaN for infinite ones."""
    rows = np.asarray(value, np.float64)
    return np.where(np.isfinite(rows), rows, np.nan)


def divide(a: _Given, b: _Given) -> Column:
    """NaN where ``b`` is 0."""
    return np.where(np.equal(b, 0), np.nan, np.divide(a, b))


def remainder(a: _Given, b: _Given) -> Column:
    """Has the sign of ``b``; NaN where ``b`` is 0 or one of them is infinite."""
    usable = np.not_equal(b, 0) & np.isfinite(a) & np.isfinite(b)
    return np.where(usable, np.remainder(a, b), np.nan)


def less(a: _Given, b: _Given) -> Column:
    """1 or 0."""
    return _known(np.less(a, b), a, b)


def less_equal(a: _Given, b: _Given) -> Column:
    """1 or 0."""
    return _known(np.less_equal(a, b), a, b)


def greater(a: _Given, b: _Given) -> Column:
    """1 or 0."""
    return _known(np.greater(a, b), a, b)


def greater_equal(a: _Given, b: _Given) -> Column:
    """1 or 0."""
    return _known(np.greater_equal(a, b), a, b)


def equal(a: _Given, b: _Given) -> Column:
    """1 or 0."""
    return _known(np.equal(a, b), a, b)


def not_equal(a: _Given, b: _Given) -> Column:
    """1 or 0."""
    return _known(np.not_equal(a, b), a, b)


def and_(a: _Given, b: _Given) -> Column:
    """1 or 0; 0 also where one is 0 and the other has no value."""
    false = np.equal(a, 0) | np.equal(b, 0)
    return np.where(false, 0.0, _known(np.True_, a, b))


def or_(a: _Given, b: _Given) -> Column:
    """1 or 0; 1 also where one is true and the other has no value."""
    true = (np.not_equal(a, 0) & ~np.isnan(a)) | (np.not_equal(b, 0) & ~np.isnan(b))
    return np.where(true, 1.0, _known(np.False_, a, b))


def not_(a: _Given) -> Column:
    """1 or 0."""
    return _known(np.equal(a, 0), a, a)


def clamp_(a: _Given, low: _Given, high: _Given) -> Column:
    """``a``, or the bound that it passes; the upper one wins where they cross."""
    return np.asarray(np.minimum(np.maximum(a, low), high))


def sqrt_(a: _Given) -> Column:
    """NaN below 0."""
    return np.asarray(np.sqrt(a))


def log_(a: _Given) -> Column:
    """The natural logarithm; NaN at 0 and below."""
    return np.where(np.greater(a, 0), np.log(a), np.nan)


def if_(condition: _Given, a: _Given, b: _Given) -> Column:
    """``a`` where the condition is true, else ``b``; NaN where the condition has no value."""
    chosen = np.where(np.not_equal(condition, 0), a, b)
    return np.where(np.isnan(condition), np.nan, chosen)


def _known(result: NDArray[Any] | np.bool_, a: _Given, b: _Given) -> Column:
    return np.where(np.isnan(a) | np.isnan(b), np.nan, np.asarray(result, np.float64))
