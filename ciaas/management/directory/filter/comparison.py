"""Comparisons of a sample's value, written as people write them: ``>40``, ``20..30``, ``open``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.sample import Frame, Kind
from ciaas.limits import FILTER_TEXT_CHARS_MAX

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
_ORDER = re.compile(rf"(>=|<=|>|<)\s*({_NUMBER})")
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})")
_PLAIN = re.compile(_NUMBER)
_FORMS = "write >40, >=40, <40, <=40, 20..30, 40, true, open or !=open"
_TRUTH = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One condition on a value; a sample without a value meets none.

    Numbers compare with what is sent as Number, Integer or Boolean (0 or 1), texts by equality.
    ``=`` stands for equal, ``!=`` for any other value, ``..`` for a range with both ends.
    """

    operator: str
    text: str
    """What ``=`` and ``!=`` compare texts with; as it was written for the others."""
    low: float = math.nan
    high: float = math.nan
    """Upper end of a range, else nan."""

    @staticmethod
    def parse(written: object) -> Comparison:
        """Return the condition of a text, or equality with a JSON number or Boolean.

        Raises:
            ValueError: it is none; the message shows the forms there are.
        """
        if isinstance(written, Comparison):
            return written
        if isinstance(written, bool):
            written = "true" if written else "false"
        elif isinstance(written, int | float):
            written = f"{written!r}"
        if not isinstance(written, str) or not 0 < len(written) <= FILTER_TEXT_CHARS_MAX:
            raise ValueError(f"{written!r:.40} is no comparison; {_FORMS}")
        if match := _ORDER.fullmatch(written):
            return Comparison(match[1], match[2], _finite(match[2]))
        if match := _RANGE.fullmatch(written):
            low, high = _finite(match[1]), _finite(match[2])
            if low > high:
                raise ValueError(f"{written!r} is empty: put the smaller end first")
            return Comparison("..", written, low, high)
        if written[0] in "<>":
            raise ValueError(f"{written!r:.40} compares with no number; {_FORMS}")
        unequal = written.startswith("!=")
        text = written[2:] if unequal else written.removeprefix("=")
        return Comparison("!=" if unequal else "=", text, _number(text))

    def __str__(self) -> str:
        """Return the condition as `parse` reads it."""
        if self.operator == "..":
            return self.text
        return f"{self.operator}{self.text}"

    def mask(self, frame: Frame) -> NDArray[np.bool_]:
        """Return which rows meet the condition."""
        num = frame.num
        match self.operator:
            case ">":
                return num > self.low
            case ">=":
                return num >= self.low
            case "<":
                return num < self.low
            case "<=":
                return num <= self.low
            case "..":
                return (num >= self.low) & (num <= self.high)
        equal = self._equal(frame)
        return equal if self.operator == "=" else ~equal & (frame.kind != Kind.NULL)

    def _equal(self, frame: Frame) -> NDArray[np.bool_]:
        is_text = frame.kind == Kind.TEXT
        equal = np.zeros(len(frame), np.bool_)
        if is_text.any():
            equal[is_text] = frame.txt[is_text] == self.text
        if self.text in _TRUTH:
            equal |= (frame.kind == Kind.BOOLEAN) & (frame.num == self.low)
        elif not math.isnan(self.low):
            equal |= frame.num == self.low
        return equal


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is beyond every number that is kept; write a smaller one")
    return number


def _number(text: str) -> float:
    if text in _TRUTH:
        return _TRUTH[text]
    return float(text) if _PLAIN.fullmatch(text) else math.nan


def comparisons(written: Any) -> Any:
    """Return one condition or a list of them as a list, for a document's field."""
    many = written if isinstance(written, list | tuple) else [written]
    return tuple(Comparison.parse(one) for one in many)
