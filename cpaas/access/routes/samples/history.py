"""History with cloud.iO's parameters, one address or many, as JSON or CSV."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header, Query
from fastapi.responses import Response

from ciaas.ports import Series
from cpaas.access.answers.described import Row, answers
from cpaas.access.answers.series import by_point, csv, written
from cpaas.access.caller import Caller, Reader
from cpaas.access.problems import Problem
from cpaas.access.routes.samples.asked import Asked
from cpaas.limits import HISTORY_ADDRESSES_MAX
from security.aaa.levels import Level

router = APIRouter(tags=["history"])

AskedQuery = Annotated[Asked, Query()]
Accept = Annotated[str, Header()]


@router.get("/history", responses=answers(dict[str, list[Row]]))
async def of_many(asked: AskedQuery, caller: Reader, accept: Accept = "") -> Response:
    """Return the series of several points: ``?address=…&address=…``."""
    return await caller.city.processing.reads.run(lambda: _of_many(asked, caller, accept))


@router.get("/history/{address:path}", responses=answers(list[Row]))
async def of_one(address: str, asked: AskedQuery, caller: Reader, accept: Accept = "") -> Response:
    """Return the series of one point, ascending in time."""
    return await caller.city.processing.reads.run(lambda: _of_one(address, asked, caller, accept))


def _of_many(asked: Asked, caller: Caller, accept: str) -> Response:
    if not 1 <= len(asked.address) <= HISTORY_ADDRESSES_MAX:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"name 1 to {HISTORY_ADDRESSES_MAX} points with address=…",
        )
    points = {
        point.id: point
        for point in (caller.recorded_point(text, Level.READ) for text in asked.address)
    }
    caller.tell_points(list(points))
    with caller.city.people.allowance.spending([*points])():
        series = caller.city.history.series(asked.span(list(points.values())))
    if "text/csv" in accept:
        addresses = [str(points[number].address) for number in series.point.tolist()]
        return _csv(series, asked.separator, addresses)
    parts = by_point(series)
    members = [
        msgspec.json.encode(point.address)
        + b":"
        + (written(parts[number]) if number in parts else b"[]")
        for number, point in points.items()
    ]
    return _json(series, b"{" + b",".join(members) + b"}")


def _of_one(address: str, asked: Asked, caller: Caller, accept: str) -> Response:
    if asked.address:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "name points in the path or by address=…, not both"
        )
    point = caller.recorded_point(address, Level.READ)
    caller.tell_points([point.id])
    with caller.city.people.allowance.spending([point.id])():
        series = caller.city.history.series(asked.span([point]))
    if "text/csv" in accept:
        return _csv(series, asked.separator, None)
    return _json(series, written(series))


def _json(series: Series, body: bytes) -> Response:
    return Response(body, headers=_truncated(series), media_type="application/json")


def _csv(series: Series, separator: str, addresses: list[str] | None) -> Response:
    text = "".join(csv(series, separator, addresses))
    return Response(text, headers=_truncated(series), media_type="text/csv")


def _truncated(series: Series) -> dict[str, str]:
    return {"Borough-Truncated": "true"} if series.truncated else {}
