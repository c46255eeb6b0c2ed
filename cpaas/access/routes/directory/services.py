"""Services: APIs that applications publish, found and granted like everything else."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ciaas.computing.reach import Forbidden, Reach
from ciaas.management.services.ports import Service
from cpaas.access.answers.documents import as_json, rfc3339
from cpaas.access.caller import Caller, Configurer, Granter, Person, Reader
from cpaas.access.granting.holder import user_named as named
from cpaas.access.problems import Problem, not_found
from cpaas.limits import SERVICE_SCOPES_MAX, SERVICE_TEXT_CHARS_MAX
from security.aaa.errors import RuleBroken
from security.aaa.levels import Level
from security.aaa.oidc.errors import UnknownApplication, UnknownService
from security.ports import Grant

router = APIRouter(prefix="/services", tags=["services"])

_ANYWHERE = Reach.of(("0.0.0.0/0", "::/0"))
"""For the form of an address alone: whether we may ask it is looked at when we do."""
_LEVELS = {"READ": Level.READ, "WRITE": Level.WRITE, "CONFIGURE": Level.CONFIGURE}
Name = Annotated[str, Field(min_length=1, max_length=100)]
ScopeName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
Scopes = Annotated[
    dict[ScopeName, Literal["READ", "WRITE", "CONFIGURE"]],
    Field(
        min_length=1,
        max_length=SERVICE_SCOPES_MAX,
        description="the level that each scope needs on the service or its project",
    ),
]


class NewService(BaseModel):
    """An API to be published, or another version of one."""

    model_config = {"extra": "forbid"}

    application: str = Field(description="client_id of the application that answers for it")
    name: Name
    description: str = Field("", max_length=SERVICE_TEXT_CHARS_MAX)
    base_url: str
    health_url: str = Field("", description="answers 2xx while all is well; empty for none")
    scopes: Scopes
    version: str = Field(pattern=r"^[A-Za-z0-9.+-]{1,40}$")
    openapi: dict[str, Any] = Field(description="OpenAPI 3 document")


class ScopeGrant(BaseModel):
    """Who may use which scope of a service."""

    model_config = {"extra": "forbid"}

    user: str = Field(description="a name, or app:<client_id>")
    scope: ScopeName


@router.get("")
def listed(caller: Reader, text: Annotated[str, Query(max_length=100)] = "") -> Response:
    """List the services that the caller may know; a text is looked for in name and description."""
    wanted = text.casefold()
    found = caller.city.oidc.services.seen(caller.party)
    return as_json(
        [
            _entity(caller, service)
            for service in found
            if wanted in f"{service.name}\n{service.description}".casefold()
        ]
    )


@router.post("", status_code=HTTPStatus.CREATED)
def publish(body: NewService, caller: Configurer, _person: Person) -> Response:
    """Publish an API of an application."""
    application = _application(caller, body.application)
    service = _described(body, str(uuids.uuid4()), application.id, application.project, caller)
    made = caller.city.oidc.services.store.publish(service, body.openapi)
    caller.tell(service=made.uuid, name=made.name, version=made.release)
    return as_json(_entity(caller, made), HTTPStatus.CREATED)


@router.get("/{uuid}")
def one(uuid: str, caller: Reader) -> Response:
    """Return a service with its versions."""
    found = _found(caller, uuid)
    versions = [
        {
            "version": release.release,
            "published_at": rfc3339(release.published_at),
            "base_url": release.base_url,
            "scopes": _names(release.scopes),
        }
        for release in caller.city.oidc.services.store.releases(found.id)
    ]
    return as_json(_entity(caller, found) | {"versions": versions})


@router.get("/{uuid}/openapi.json")
def document(uuid: str, caller: Reader, version: str | None = None) -> Response:
    """Return the OpenAPI document of a version, the newest unless one is named."""
    found = _found(caller, uuid)
    wanted = version or found.release
    for release in caller.city.oidc.services.store.releases(found.id):
        if release.release == wanted:
            return as_json(release.openapi)
    raise not_found()


@router.post("/{uuid}/versions", status_code=HTTPStatus.CREATED)
def publish_version(uuid: str, body: NewService, caller: Configurer, _person: Person) -> Response:
    """Publish another version; the ones before are kept as they were."""
    found = _owned(caller, uuid, Level.CONFIGURE)
    application = _application(caller, body.application)
    if application.id != found.application:
        raise RuleBroken("another application answers for this service; publish a service of yours")
    described = _described(body, found.uuid, found.application, found.project, caller, found.id)
    made = caller.city.oidc.services.store.publish(described, body.openapi)
    caller.tell(service=made.uuid, version=made.release)
    return as_json(_entity(caller, made), HTTPStatus.CREATED)


@router.delete("/{uuid}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def remove(uuid: str, caller: Configurer, _person: Person) -> None:
    """Take a service back, with everything that was granted on it."""
    found = _owned(caller, uuid, Level.CONFIGURE)
    caller.city.oidc.services.store.remove(found)
    caller.tell(name=found.name)
    caller.city.refresh_rights()


@router.put("/{uuid}/grants", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def put_grant(uuid: str, body: ScopeGrant, caller: Granter) -> None:
    """Let a user or an application use a scope of a service."""
    found = _owned(caller, uuid, Level.GRANT)
    need = found.scopes.get(body.scope)
    if need is None:
        raise RuleBroken(f"the service has no such scope; it has {', '.join(found.scopes)}")
    user = named(caller, body.user)
    caller.tell(user=user.name, scope=body.scope)
    caller.city.grants.put_grant(Grant(user.id, (*found.path, body.scope), need))
    caller.city.refresh_rights()


@router.delete("/{uuid}/grants", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def remove_grant(uuid: str, user: str, scope: str, caller: Granter) -> None:
    """Take a scope of a service back."""
    found = _owned(caller, uuid, Level.GRANT)
    if not scope or "/" in scope:
        raise not_found()
    holder = named(caller, user)
    caller.tell(user=holder.name, scope=scope)
    if not caller.city.grants.remove_grant(holder.id, (*found.path, scope)):
        raise not_found()
    caller.city.refresh_rights()


def _described(
    body: NewService, uuid: str, application: int, project: int, caller: Caller, number: int = 0
) -> Service:
    """Return what is to be published; raises RuleBroken."""
    for url in filter(None, (body.base_url, body.health_url)):
        try:
            _ANYWHERE.check_url(url)
        except Forbidden as error:
            raise RuleBroken(str(error)) from None
    version = body.openapi.get("openapi")
    if not (isinstance(version, str) and version.startswith("3.")):
        raise RuleBroken("openapi has to be a document of OpenAPI 3: its member openapi says 3.…")
    if not isinstance(body.openapi.get("paths"), dict):
        raise RuleBroken("openapi has to say which paths there are")
    return Service(
        uuid,
        application,
        project,
        body.name,
        body.description,
        body.base_url,
        body.health_url,
        {name: _LEVELS[level] for name, level in sorted(body.scopes.items())},
        body.version,
        caller.city.clock.now_ms(),
        number,
    )


def _application(caller: Caller, client_id: str) -> Any:
    """Return an application that the caller may configure; raises Problem (404)."""
    try:
        found = caller.city.oidc.provider.applications.named(client_id)
    except UnknownApplication:
        raise not_found() from None
    if caller.level(found.project) < Level.CONFIGURE:
        raise not_found()
    return found


def _found(caller: Caller, uuid: str) -> Service:
    """Return a service that the caller may know; raises Problem (404)."""
    try:
        return caller.city.oidc.services.find(caller.party, uuid)
    except UnknownService:
        raise not_found() from None


def _owned(caller: Caller, uuid: str, need: Level) -> Service:
    """Return a service on which the caller holds a level; raises Problem (404, 403)."""
    found = _found(caller, uuid)
    if caller.level(found.project, [found.uuid]) < need:
        raise Problem(HTTPStatus.FORBIDDEN, f"this needs the level {need.name} on the service")
    return found


def _entity(caller: Caller, service: Service) -> dict[str, Any]:
    """Return a service as the API shows it."""
    health = caller.city.oidc.health.health(service)
    application = caller.city.oidc.provider.applications.numbered(service.application)
    projects = {project.id: project.name for project in caller.city.registry.projects()}
    return {
        "uuid": service.uuid,
        "name": service.name,
        "description": service.description,
        "project": projects.get(service.project),
        "application": None if application is None else application.uuid,
        "base_url": service.base_url,
        "audience": service.audience,
        "version": service.release,
        "published_at": rfc3339(service.published_at),
        "scopes": _names(service.scopes),
        "mine": sorted(caller.city.oidc.services.scopes_of(caller.party, service)),
        "health": {
            "state": health.state,
            "why": health.why,
            "at": None if health.at is None else rfc3339(health.at),
        },
    }


def _names(scopes: Mapping[str, Level]) -> dict[str, str]:
    return {name: level.name for name, level in scopes.items()}
