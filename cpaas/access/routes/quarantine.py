"""What was set aside, with the reason."""

from __future__ import annotations

import base64
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from fastapi.responses import Response

from ciaas.ports import Aside
from cpaas.access.answers import as_json, times
from cpaas.access.caller import Reader
from cpaas.limits import LIST_DEFAULT, LIST_MAX
from security.aaa.levels import Level

router = APIRouter(tags=["quarantine"])


@router.get("/quarantine")
def listed(
    caller: Reader,
    endpoint: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = LIST_DEFAULT,
    before: int | None = None,
) -> Response:
    """List messages and parts that could not be used, newest first; ``before`` continues.

    An administrator also sees what no known endpoint sent.
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
            for e in city.registry.endpoints()
            if caller.level(e.project, (e.uuid,)) >= Level.READ
        ]
    return as_json([_entry(n, aside) for n, aside in city.history.aside(wanted, limit, before)])


def _entry(number: int, aside: Aside) -> dict[str, object]:
    return {
        "number": number,
        "received_at": times(np.array([aside.received]))[0],
        "topic": aside.topic,
        "reason": aside.reason,
        "detail": aside.detail,
        "payload": base64.b64encode(aside.payload).decode(),
        "endpoint": aside.endpoint,
    }
