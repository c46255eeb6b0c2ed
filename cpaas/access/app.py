"""The HTTP application, built over the parts of the city."""

from __future__ import annotations

from anyio import CapacityLimiter
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from cpaas.access import openapi, problems
from cpaas.access.answers.documents import as_json
from cpaas.access.city import City
from cpaas.access.entrance.accounting import Accounting
from cpaas.access.entrance.authentication import Authentication
from cpaas.access.entrance.body import BodyLimit
from cpaas.access.pages.door import PageDoor
from cpaas.access.routes import health
from cpaas.access.routes.assurance import accesses, backup, dependability, metrics, record
from cpaas.access.routes.commands import commands, setting
from cpaas.access.routes.composition import mashups, publishing, templates
from cpaas.access.routes.directory import changes, search, services
from cpaas.access.routes.enrolment import enrolments, profiles, replacement
from cpaas.access.routes.events import alarms, live, subscriptions
from cpaas.access.routes.oidc import authorize, device, sign_out, tokens
from cpaas.access.routes.oidc import browser as provider_pages
from cpaas.access.routes.people import (
    applications,
    browser,
    credentials,
    grants,
    groups,
    invitations,
    projects,
    quotas,
    rights,
    session,
    sessions,
    users,
)
from cpaas.access.routes.processing import jobs, objects, query
from cpaas.access.routes.resources import (
    connections,
    endpoints,
    est,
    journal,
    metadata,
    provisioning,
)
from cpaas.access.routes.samples import data, history, observations, quarantine
from cpaas.access.routes.security import data_subjects, key_ring, keys
from cpaas.access.routes.sets import endpoint_groups, selections
from cpaas.limits import ENROLMENT_SHEETS_AT_ONCE
from security.limits import PASSWORD_HASHES_RESERVED

PREFIX = "/api/v1"


def create_app(city: City) -> FastAPI:
    """Return the application; every route denies by default but those that need no login."""
    app = FastAPI(
        title="Borough",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would be built from whatever Host was sent
    )
    app.state.city = city
    app.state.doorway = session.Doorway()
    app.state.known_doorway = session.Doorway(PASSWORD_HASHES_RESERVED)
    app.state.token_doorway = tokens.doorway()
    app.state.sheets = CapacityLimiter(ENROLMENT_SHEETS_AT_ONCE)
    problems.install(app)
    provider_pages.install(app)
    # The one added last is passed first.
    app.add_middleware(BodyLimit)
    app.add_middleware(Authentication, city=city)
    app.add_middleware(Accounting, city=city)
    app.add_middleware(PageDoor, pages=city.pages)
    # Looked through in this order: what is asked all day comes first.
    for routes in (
        health, history, data, query, observations, session, browser, users, projects, groups,
        grants, rights, accesses, record, backup, endpoints, journal, provisioning, metadata,
        connections, quarantine, objects, jobs, dependability, live, alarms, subscriptions, search,
        changes, setting, commands, templates, mashups, publishing, key_ring, keys,
        data_subjects, applications, services, selections, endpoint_groups, credentials,
        sessions, invitations, quotas, profiles, enrolments, replacement,
    ):  # fmt: skip
        app.include_router(routes.router, prefix=PREFIX)
    app.include_router(est.router)  # where RFC 7030 wants it
    for provider in (authorize, device, sign_out, tokens):
        app.include_router(provider.router)  # where OAuth's clients look for it
    app.include_router(metrics.router)  # where monitoring systems look for it

    @app.get(f"{PREFIX}/openapi.json", include_in_schema=False)
    async def description(request: Request) -> Response:
        return as_json(openapi.describe(app))

    return app
