"""Figures of the platform for a monitoring system to collect."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from cpaas.access.caller import Admin

router = APIRouter(tags=["dependability"])

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@router.get("/metrics")
def metrics(caller: Admin) -> Response:
    """Return counters and gauges of the platform as OpenMetrics text."""
    return Response(caller.city.observation.metrics(), media_type=OPENMETRICS)
