"""States and dependability of resources: availability, failures, MTBF and MTTR."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response

from cpaas.access.answers.dependability import as_document, may_know, rows
from cpaas.access.answers.described import Dependability, answers
from cpaas.access.answers.documents import as_json, rfc3339
from cpaas.access.caller import Caller, Reader
from cpaas.access.moments import read_moment
from cpaas.access.problems import Problem, not_found
from cpaas.limits import DEPENDABILITY_DAYS_DEFAULT
from security.dependability.report import Report, render
from security.dependability.states import clipped

router = APIRouter(prefix="/dependability", tags=["dependability"])

_DAY_MS = 86_400_000

Kind = Literal["host", "role", "store", "connection", "device", "job", "point"]
From = Annotated[str | None, Query(alias="from")]
To = Annotated[str | None, Query(alias="to")]


@router.get("", responses=answers(Dependability))
def figures(
    caller: Reader,
    start: From = None,
    end: To = None,
    kind: Kind | None = None,
    endpoint: str | None = None,
) -> Response:
    """Return availability, failures, MTBF and MTTR of each resource that you may read.

    Terms are those of IEC 60050-192: time before the first observation is left out, and time in
    which nobody observed is never counted as up. ``kind=point`` reads data points off their
    history. Without ``from`` the last 30 days are taken.
    """
    since, until = _span(caller, start, end)
    found = rows(caller, since, until, kind, endpoint)
    caller.tell(resources=len(found))
    return as_json(
        {
            "from": rfc3339(since),
            "to": rfc3339(until),
            "resources": [as_document(row) for row in found],
        }
    )


@router.get("/report", response_class=HTMLResponse)
def report(
    caller: Reader,
    start: From = None,
    end: To = None,
    kind: Kind | None = None,
    endpoint: str | None = None,
) -> Response:
    """Return the same as a page to read, print and keep; it needs nothing from anywhere else."""
    since, until = _span(caller, start, end)
    found = rows(caller, since, until, kind, endpoint)
    notes = ["Only what you may read is in it."] if not caller.admin else []
    caller.tell(resources=len(found))
    page = render(Report(since, until, caller.city.clock.now_ms(), found, notes))
    return HTMLResponse(page)


@router.get("/states")
def states(caller: Reader, resource: str, start: From = None, end: To = None) -> Response:
    """Return the state intervals of one resource, such as ``role:core`` or ``device:<uuid>``."""
    since, until = _span(caller, start, end)
    found = caller.city.observation.states.intervals(since, until, resource)
    if not found or not may_know(caller, found[0].resource):
        raise not_found()
    return as_json(
        [
            {
                "state": interval.state,
                "since": rfc3339(interval.since),
                "until": rfc3339(interval.until if interval.until is not None else until),
                "cause": interval.cause,
            }
            for interval in clipped(found, since, until)
        ]
    )


def _span(caller: Caller, start: str | None, end: str | None) -> tuple[int, int]:
    """Return the span asked for, never beyond now.

    Raises:
        Problem: it is empty.
    """
    now = caller.city.clock.now_ms()
    until = min(now, now if (asked := read_moment(end, "to")) is None else asked)
    since = read_moment(start, "from")
    if since is None:
        since = until - DEPENDABILITY_DAYS_DEFAULT * _DAY_MS
    if since >= until:
        raise Problem(HTTPStatus.BAD_REQUEST, "from must lie before to, and before now")
    return since, until
