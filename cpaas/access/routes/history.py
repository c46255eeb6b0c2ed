"""History with cloud.iO's parameters, one address or many, as JSON or CSV."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Header, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ciaas.kernel.address import AddressError, parse_point
from ciaas.ports import Point, Resample, Series, Span
from cpaas.access.answers import as_json, csv, rows
from cpaas.access.caller import Caller, Reader
from cpaas.access.problems import Problem, not_found
from cpaas.limits import (
    HISTORY_ADDRESSES_MAX,
    HISTORY_ANSWER_ROWS_MAX,
    HISTORY_ROWS_DEFAULT,
    HISTORY_ROWS_MAX,
)

router = APIRouter(tags=["history"])

_INTERVAL = re.compile(r"(\d{1,12})(ns?|us?|ms|s|m|h|d|w)")
_UNIT_NS = {
    "n": 1, "ns": 1, "u": 10**3, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9,
    "h": 3_600 * 10**9, "d": 86_400 * 10**9, "w": 604_800 * 10**9,
}  # fmt: skip

Function = Literal[
    "COUNT", "DISTINCT", "INTEGRAL", "MEAN", "MEDIAN", "MODE", "SPREAD", "STDDEV", "SUM", "FIRST",
    "LAST", "MAX", "MIN",
]  # fmt: skip


class Asked(BaseModel):
    """The query parameters, named as in cloud.iO."""

    model_config = {"extra": "forbid"}

    address: list[str] = Field(default_factory=list)
    start: str | None = Field(None, alias="from")
    end: str | None = Field(None, alias="to")
    interval: str | None = Field(None, alias="resampleInterval")
    function: Function = Field("MEAN", alias="resampleFunction")
    fill: Literal["NONE", "NULL", "ZERO", "PREVIOUS", "LINEAR"] = Field("NONE", alias="fillValue")
    max: int = Field(HISTORY_ROWS_DEFAULT, ge=1, le=HISTORY_ROWS_MAX)
    separator: str = Field(";", min_length=1, max_length=1)

    def span(self, points: list[Point]) -> Span:
        """Return the question to history."""
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
            start=None if self.start is None else _ms(self.start, "from"),
            end=None if self.end is None else _ms(self.end, "to"),
            limit=self.max,
            resample=resample,
        )


AskedQuery = Annotated[Asked, Query()]


@router.get("/history")
def of_many(asked: AskedQuery, caller: Reader, accept: Annotated[str, Header()] = "") -> Response:
    """Return the series of several points: ``?address=…&address=…``."""
    if not 1 <= len(asked.address) <= HISTORY_ADDRESSES_MAX:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"name 1 to {HISTORY_ADDRESSES_MAX} points with address=…",
        )
    points = [_point(caller, address) for address in dict.fromkeys(asked.address)]
    series = caller.city.history.series(asked.span(points))
    names = {point.id: str(point.address) for point in points}
    if "text/csv" in accept:
        addresses = [names[point] for point in series.point.tolist()]
        return _csv(series, asked.separator, addresses)
    parts = {name: rows(_of(series, point)) for point, name in names.items()}
    return as_json(parts, headers=_truncated(series))


@router.get("/history/{address:path}")
def of_one(
    address: str, asked: AskedQuery, caller: Reader, accept: Annotated[str, Header()] = ""
) -> Response:
    """Return the series of one point, ascending in time."""
    series = caller.city.history.series(asked.span([_point(caller, address)]))
    if "text/csv" in accept:
        return _csv(series, asked.separator, None)
    return as_json(rows(series), headers=_truncated(series))


def _point(caller: Caller, address: str) -> Point:
    """Return a point that the caller may read; what may not be seen does not exist."""
    try:
        point = caller.city.registry.point(parse_point(address))
    except AddressError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
    if not caller.readable([point]):
        raise not_found()
    return point


def _of(series: Series, point: int) -> Series:
    chosen = series.point == point
    return Series(
        point=series.point[chosen],
        observed=series.observed[chosen],
        kind=series.kind[chosen],
        num=series.num[chosen],
        txt=series.txt[chosen],
        verdict=series.verdict[chosen],
        reason=series.reason[chosen],
        truncated=series.truncated,
    )


def _csv(series: Series, separator: str, addresses: list[str] | None) -> Response:
    text = "".join(csv(series, separator, addresses))
    return Response(text, headers=_truncated(series), media_type="text/csv")


def _truncated(series: Series) -> dict[str, str]:
    return {"Borough-Truncated": "true"} if series.truncated else {}


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


def _ms(text: str, name: str) -> int:
    """Read a time; without an offset it is UTC, as in cloud.iO."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            f"{name}={text!r} is no time; write 2026-11-22T14:30:00 (UTC) or RFC 3339",
        ) from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return round(time.timestamp() * 1000)
