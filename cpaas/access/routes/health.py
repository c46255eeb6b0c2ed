"""Whether the platform is ready, and how it is doing."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import Response

from cpaas.access.answers import as_json
from cpaas.access.caller import Admin, CityPart

router = APIRouter(tags=["health"])


@router.get("/health")
def health(city: CityPart) -> Response:
    """Return 200 when devices are admitted and samples recorded, else 503 and what is awaited."""
    awaited = city.ready()
    if awaited is not None:
        return as_json({"status": "waiting", "for": awaited}, HTTPStatus.SERVICE_UNAVAILABLE)
    return as_json({"status": "ready", "commit": city.history.last_commit()})


@router.get("/status")
def status(caller: Admin) -> Response:
    """Return counters of this platform: samples, repeats, quarantine, refusals, backlog."""
    return as_json(dict(caller.city.status()))
