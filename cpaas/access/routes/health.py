"""Whether the platform is ready, and how it is doing."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import Response

from cpaas.access.answers.described import Counters, Health, answers
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Admin, CityPart
from cpaas.access.problems import Problem

router = APIRouter(tags=["health"])


@router.get("/health", responses=answers(Health))
async def health(city: CityPart) -> Response:
    """Return 200 when devices are admitted and samples recorded, else 503 and what is awaited."""
    awaited = city.ready()
    if awaited is not None:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, f"waiting for {awaited}", {"Retry-After": "1"}
        )
    return as_json({"status": "ready", "commit": city.history.last_commit()})


@router.get("/status", responses=answers(Counters))
def status(caller: Admin) -> Response:
    """Return counters of this platform: samples, repeats, quarantine, refusals, backlog."""
    return as_json(dict(caller.city.status()))
