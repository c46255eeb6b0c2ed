"""The query parameters of history, named and meant as in cloud.iO."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Literal

import numpy as np
from pydantic import BaseModel, Field

from ciaas.ports import Point, Resample, Span
from cpaas.access.moments import read_moment
from cpaas.access.problems import Problem
from cpaas.limits import HISTORY_ANSWER_ROWS_MAX, HISTORY_ROWS_DEFAULT, HISTORY_ROWS_MAX

_INTERVAL = re.compile(r"([0-9]{1,12})(ns?|us?|ms|s|m|h|d|w)")
_UNIT_NS = {
    "n": 1, "ns": 1, "u": 10**3, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9,
    "h": 3_600 * 10**9, "d": 86_400 * 10**9, "w": 604_800 * 10**9,
}  # fmt: skip

Function = Literal[
    "COUNT", "DISTINCT", "INTEGRAL", "MEAN", "MEDIAN", "MODE", "SPREAD", "STDDEV", "SUM", "FIRST",
    "LAST", "MAX", "MIN",
]  # fmt: skip
Fill = Literal["NONE", "NULL", "ZERO", "PREVIOUS", "LINEAR"]
Separator = Literal[";", ",", "\t", "|", " "]
"""None that a time or a number holds; other texts are put in quotes."""


class Asked(BaseModel):
    """What is asked of history, of one point or of several."""

    model_config = {"extra": "forbid"}

    address: list[str] = Field(default_factory=list)
    start: str | None = Field(None, alias="from")
    end: str | None = Field(None, alias="to")
    interval: str | None = Field(None, alias="resampleInterval")
    function: Function = Field("MEAN", alias="resampleFunction")
    fill: Fill = Field("NONE", alias="fillValue")
    max: int = Field(HISTORY_ROWS_DEFAULT, ge=1, le=HISTORY_ROWS_MAX)
    separator: Separator = ";"

    def span(self, points: Sequence[Point]) -> Span:
        """Return the question to history.

        Raises:
            Problem: 400 for a time or an interval that is none, 422 for too many rows.
        """
        if len(points) * self.max > HISTORY_ANSWER_ROWS_MAX:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"max × addresses may be {HISTORY_ANSWER_ROWS_MAX} at most; ask in parts",
            )
        resample = None
        if self.interval is not None:
            resample = Resample(_interval_ns(self.interval), self.function, self.fill)
        return Span(
            points=np.array([point.id for point in points], np.uint32),
            start=read_moment(self.start, "from"),
            end=read_moment(self.end, "to"),
            limit=self.max,
            resample=resample,
        )


def _interval_ns(text: str) -> int:
    match = _INTERVAL.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            f"resampleInterval {text!r} is not a number with n, u, ms, s, m, h, d or w, as in 15m",
        )
    interval_ns = int(match[1]) * _UNIT_NS[match[2]]
    if interval_ns < 10**6:
        raise Problem(
            HTTPStatus.BAD_REQUEST, "samples are kept to the millisecond: ask 1ms or more"
        )
    return interval_ns
