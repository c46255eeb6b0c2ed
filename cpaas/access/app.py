"""The HTTP application, built over the parts of the city."""

from __future__ import annotations

from fastapi import FastAPI

from cpaas.access import problems
from cpaas.access.accounting import Accounting
from cpaas.access.city import City
from cpaas.access.routes import (
    connections,
    data,
    endpoints,
    health,
    history,
    metadata,
    observations,
    people,
    provisioning,
    quarantine,
    session,
)

PREFIX = "/api/v1"


def create_app(city: City) -> FastAPI:
    """Return the application; every route denies by default but those that need no login."""
    app = FastAPI(
        title="Borough",
        version="1",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.city = city
    problems.install(app)
    app.add_middleware(Accounting, record=city.record)
    for routes in (
        health, session, people, endpoints, provisioning, metadata, data, history, observations,
        quarantine, connections,
    ):  # fmt: skip
        app.include_router(routes.router, prefix=PREFIX)
    return app
