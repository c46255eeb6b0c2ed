"""What was set aside, with the reason."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from ciaas.ports import Aside, HistoryStore
from cpaas.access.answers.documents import as_json, rfc3339
from cpaas.access.caller import Reader
from cpaas.limits import LIST_DEFAULT, LIST_MAX, QUARANTINE_ANSWER_BYTES_MAX, QUARANTINE_STEP
from security.aaa.levels import Level

router = APIRouter(tags=["quarantine"])

_NUMBER_MAX = 2**53


@router.get("/quarantine")
def listed(
    caller: Reader,
    endpoint: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = LIST_DEFAULT,
    before: Annotated[int | None, Query(ge=0, le=_NUMBER_MAX)] = None,
) -> Response:
    """List messages and parts that could not be used, newest first.

    ``before`` is the last number of the page before; a page with large payloads may be shorter
    than its limit. An administrator also sees what no known endpoint sent.
    """
    city = caller.city
    wanted: list[str] | None
    if endpoint is not None:
        wanted = [caller.endpoint(endpoint, Level.READ).uuid]
    elif caller.admin:
        wanted = None
    else:
        wanted = [
            e.uuid
            for e in city.catalogue.endpoints()
            if caller.level(e.project, (e.uuid,)) >= Level.READ
        ]
    parts = [_entry(*part) for part in _page(city.history, wanted, limit, before)]
    caller.tell(parts=len(parts))
    return as_json(parts)


def _page(
    history: HistoryStore, endpoints: Sequence[str] | None, limit: int, before: int | None
) -> Iterator[tuple[int, Aside]]:
    """Yield parts up to the limit, or to the first that passes the bound of an answer."""
    size = 0
    while limit > 0:
        step = history.aside(endpoints, min(limit, QUARANTINE_STEP), before)
        for number, aside in step:
            size += len(aside.payload)
            before = number
            yield number, aside
            if size >= QUARANTINE_ANSWER_BYTES_MAX:
                return
        limit -= QUARANTINE_STEP
        if len(step) < QUARANTINE_STEP:
            return


def _entry(number: int, aside: Aside) -> dict[str, object]:
    return {
        "number": number,
        "received_at": rfc3339(aside.received),
        "topic": aside.topic,
        "reason": aside.reason,
        "detail": aside.detail,
        "payload": base64.b64encode(aside.payload).decode(),
        "endpoint": aside.endpoint,
    }
