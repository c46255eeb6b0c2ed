"""What each word of a formula does with single numbers; `columnwise` does the same with columns.

Every function is total: what has no result is NaN, and NaN among the arguments gives NaN.
"""

from __future__ import annotations

import math
from operator import add, mul, neg, pos, sub

__all__ = ["add", "multiply", "negative", "positive", "subtract"]

multiply, negative, positive, subtract = mul, neg, pos, sub
abs_ = abs


def finite(value: float) -> float:
    """Return the value as a number, NaN for an infinite one."""
    return float(value) if math.isfinite(value) else math.nan


def divide(a: float, b: float) -> float:
    """NaN when ``b`` is 0."""
    return a / b if b else math.nan


def remainder(a: float, b: float) -> float:
    """Has the sign of ``b``; NaN when ``b`` is 0 or one of them is infinite."""
    return a % b if b and math.isfinite(a) and math.isfinite(b) else math.nan


def less(a: float, b: float) -> float:
    """1 or 0."""
    return math.nan if a != a or b != b else float(a < b)


def less_equal(a: float, b: float) -> float:
    """1 or 0."""
    return math.nan if a != a or b != b else float(a <= b)


def greater(a: float, b: float) -> float:
    """1 or 0."""
    return math.nan if a != a or b != b else float(a > b)


def greater_equal(a: float, b: float) -> float:
    """1 or 0."""
    return math.nan if a != a or b != b else float(a >= b)


def equal(a: float, b: float) -> float:
    """1 or 0."""
    return math.nan if a != a or b != b else float(a == b)


def not_equal(a: float, b: float) -> float:
    """1 or 0."""
    return math.nan if a != a or b != b else float(a != b)


def and_(a: float, b: float) -> float:
    """1 or 0; 0 also when one is 0 and the other has no value."""
    if a == 0 or b == 0:
        return 0.0
    return math.nan if a != a or b != b else 1.0


def or_(a: float, b: float) -> float:
    """1 or 0; 1 also when one is true and the other has no value."""
    if (a == a and a != 0) or (b == b and b != 0):
        return 1.0
    return math.nan if a != a or b != b else 0.0


def not_(a: float) -> float:
    """1 or 0."""
    return math.nan if a != a else float(a == 0)


def min_(a: float, b: float) -> float:
    """The smaller one."""
    return math.nan if a != a or b != b else min(a, b)


def max_(a: float, b: float) -> float:
    """The larger one."""
    return math.nan if a != a or b != b else max(a, b)


def clamp_(a: float, low: float, high: float) -> float:
    """``a``, or the bound that it passes; the upper one wins when they cross."""
    return min_(max_(a, low), high)


def round_(a: float) -> float:
    """To the nearest whole number, halves to the even one."""
    return float(round(a)) if math.isfinite(a) else a


def floor_(a: float) -> float:
    """The whole number at or below."""
    return float(math.floor(a)) if math.isfinite(a) else a


def ceil_(a: float) -> float:
    """The whole number at or above."""
    return float(math.ceil(a)) if math.isfinite(a) else a


def sqrt_(a: float) -> float:
    """NaN below 0."""
    return math.sqrt(a) if a >= 0 else math.nan


def log_(a: float) -> float:
    """The natural logarithm; NaN at 0 and below."""
    return math.log(a) if a > 0 else math.nan


def exp_(a: float) -> float:
    """Infinite where it is too large, which the end of the formula makes NaN."""
    try:
        return math.exp(a)
    except OverflowError:
        return math.inf


def if_(condition: float, a: float, b: float) -> float:
    """``a`` where the condition is true, else ``b``; NaN where the condition has no value."""
    if condition != condition:
        return math.nan
    return a if condition else b
