"""Applications of a project, and what people let them do."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from cpaas.access.answers.documents import as_json, rfc3339
from cpaas.access.caller import Admin, Caller, Configurer, Person
from cpaas.access.problems import Problem, not_found
from security.aaa.errors import RuleBroken
from security.aaa.levels import Level
from security.aaa.oidc.applications import CODE, REFRESH
from security.aaa.oidc.errors import UnknownApplication
from security.aaa.oidc.ports import Application
from security.aaa.oidc.scopes import OPENID, PROFILE, of_platform
from security.aaa.tokens import Scope
from security.limits import REDIRECT_URIS_MAX

router = APIRouter(tags=["applications"])

_ANY = "the project that it belongs to; needed when you may configure several"
Uris = Annotated[list[str], Field(max_length=REDIRECT_URIS_MAX)]


class NewApplication(BaseModel):
    """An application to be registered."""

    model_config = {"extra": "forbid"}

    name: str = Field(description="as people are shown it when they are asked to let it in")
    confidential: bool = Field(True, description="false for one that can keep no secret")
    redirect_uris: Uris = Field([], description="https, or http on 127.0.0.1, [::1], localhost")
    logout_uris: Uris = Field([], description="where a browser may go after signing out")
    grants: set[str] = Field({CODE, REFRESH})
    scopes: set[str] = Field({OPENID, PROFILE, Scope.READ.value})
    id_token_alg: Literal["ES256", "RS256"] = Field("ES256")


class ApplicationChange(BaseModel):
    """What to change of an application; what is left out stays."""

    model_config = {"extra": "forbid"}

    name: str | None = None
    redirect_uris: Uris | None = None
    logout_uris: Uris | None = None
    grants: set[str] | None = None
    scopes: set[str] | None = None
    id_token_alg: Literal["ES256", "RS256"] | None = None
    disabled: bool | None = None


class Rotation(BaseModel):
    """How a secret gives way to the next."""

    model_config = {"extra": "forbid"}

    overlap_s: int = Field(86_400, ge=0, description="how long the one before stays good")


class KeyRotation(BaseModel):
    """How signing keys give way to the next."""

    model_config = {"extra": "forbid"}

    retire: bool = Field(False, description="forget the others at once, with all their tokens")


@router.get("/applications")
def listed(caller: Configurer) -> Response:
    """List the applications of the projects that the caller may configure."""
    mine = {project.id: project.name for project in caller.projects(Level.CONFIGURE)}
    found = caller.city.oidc.provider.applications.all()
    return as_json([_entity(caller, one) for one in found if one.project in mine])


@router.post("/applications", status_code=HTTPStatus.CREATED)
def create(
    body: NewApplication, caller: Configurer, _person: Person, project: str | None = None
) -> Response:
    """Register an application; its secret is shown this once."""
    home = caller.project(project, Level.CONFIGURE)
    _refuse_excess(caller, body.scopes)
    wanted = Application(
        uuid="",
        name=body.name,
        project=home.id,
        owner=caller.user,
        confidential=body.confidential,
        redirect_uris=tuple(body.redirect_uris),
        logout_uris=tuple(body.logout_uris),
        grants=frozenset(body.grants),
        scopes=frozenset(body.scopes),
        id_token_alg=body.id_token_alg,
        created_at=0,
    )
    made, secret = caller.city.oidc.provider.applications.create(wanted)
    caller.tell(application=made.uuid, name=made.name, scopes=sorted(made.scopes))
    caller.city.refresh_rights()
    told = _entity(caller, made) | {"client_secret": secret}
    return as_json(told, HTTPStatus.CREATED)


@router.get("/applications/{client_id}")
def one(client_id: str, caller: Configurer) -> Response:
    """Return an application with when its secrets were used."""
    found = _named(caller, client_id)
    secrets = caller.city.oidc.provider.applications.secrets(found)
    told = _entity(caller, found) | {
        "secrets": [
            {
                "created_at": rfc3339(secret.created_at),
                "expires_at": _moment(secret.expires_at),
                "last_used_at": _moment(secret.last_used_at),
            }
            for secret in secrets
        ]
    }
    return as_json(told)


@router.patch("/applications/{client_id}")
def change(
    client_id: str, body: ApplicationChange, caller: Configurer, _person: Person
) -> Response:
    """Change an application, or shut it out, or let it in again."""
    found = _named(caller, client_id)
    if body.scopes is not None:
        _refuse_excess(caller, body.scopes - found.scopes)
    given: dict[str, Any] = {
        name: _kept(value) for name, value in body.model_dump(exclude_none=True).items()
    }
    changed = replace(found, **given)
    caller.city.oidc.provider.applications.change(changed)
    caller.tell(**body.model_dump(exclude_none=True, mode="json"))
    caller.city.refresh_rights()
    return as_json(_entity(caller, changed))


@router.delete(
    "/applications/{client_id}", status_code=HTTPStatus.NO_CONTENT, response_class=Response
)
def delete(client_id: str, caller: Configurer, _person: Person) -> None:
    """Remove an application with its rights, its services and everybody's consent to it."""
    found = _named(caller, client_id)
    for service in caller.city.oidc.services.store.services():
        if service.application == found.id:
            caller.city.oidc.services.store.remove(service)
    caller.city.oidc.provider.applications.remove(found)
    caller.tell(name=found.name)
    caller.city.refresh_rights()


@router.post("/applications/{client_id}/secret", status_code=HTTPStatus.CREATED)
def rotate(client_id: str, body: Rotation, caller: Configurer, _person: Person) -> Response:
    """Return another secret, shown this once; the one before stays good for a while."""
    found = _named(caller, client_id)
    secret = caller.city.oidc.provider.applications.rotate(found, body.overlap_s)
    caller.tell(overlap_s=body.overlap_s)
    return as_json({"client_id": found.uuid, "client_secret": secret}, HTTPStatus.CREATED)


@router.get("/authorisations")
def authorised(caller: Person) -> Response:
    """List what the caller let applications do and is in force."""
    provider, now = caller.city.oidc.provider, caller.city.clock.now_ms()
    found = []
    for given in provider.authorisations.of_user(caller.user, now):
        application = provider.applications.numbered(given.application)
        if application is not None:
            found.append(
                {
                    "client_id": application.uuid,
                    "name": application.name,
                    "scopes": sorted(given.scopes),
                    "since": rfc3339(given.started_at),
                    "until": _moment(given.expires_at),
                }
            )
    return as_json(found)


@router.delete(
    "/authorisations/{client_id}", status_code=HTTPStatus.NO_CONTENT, response_class=Response
)
def withdraw(client_id: str, caller: Person) -> None:
    """Take back what the caller let an application do; its tokens end at once."""
    provider = caller.city.oidc.provider
    try:
        found = provider.applications.named(client_id)
    except UnknownApplication:
        raise not_found() from None
    if not provider.authorisations.withdraw(caller.user, found.id):
        raise not_found()


@router.post("/signing-keys", status_code=HTTPStatus.CREATED)
def rotate_keys(body: KeyRotation, caller: Admin, _person: Person) -> Response:
    """Make new keys for the signatures of tokens."""
    caller.tell(retire=body.retire)
    kids = caller.city.oidc.provider.keys.rotate(retire=body.retire)
    return as_json({"kids": list(kids)}, HTTPStatus.CREATED)


def _named(caller: Caller, client_id: str) -> Application:
    """Return an application that the caller may configure; raises Problem (404)."""
    try:
        found = caller.city.oidc.provider.applications.named(client_id)
    except UnknownApplication:
        raise not_found() from None
    if caller.level(found.project) < Level.CONFIGURE:
        raise not_found()
    return found


def _refuse_excess(caller: Caller, scopes: set[str]) -> None:
    """Keep an application from asking for more than who registers it may."""
    if excess := sorted(of_platform(scopes) - caller.principal.scopes):
        raise Problem(HTTPStatus.FORBIDDEN, f"your own token lacks: {', '.join(excess)}")
    if Scope.ADMIN.value in scopes and not caller.admin:
        raise RuleBroken("the scope admin is for administrators")


def _entity(caller: Caller, found: Application) -> dict[str, Any]:
    """Return an application as the API shows it."""
    projects = {project.id: project.name for project in caller.city.registry.projects()}
    owners = {user.id: user.name for user in caller.city.accounts.users()}
    return {
        "client_id": found.uuid,
        "user": f"app:{found.uuid}",
        "name": found.name,
        "project": projects.get(found.project),
        "owner": owners.get(found.owner),
        "confidential": found.confidential,
        "redirect_uris": list(found.redirect_uris),
        "logout_uris": list(found.logout_uris),
        "grants": sorted(found.grants),
        "scopes": sorted(found.scopes),
        "id_token_alg": found.id_token_alg,
        "disabled": found.disabled,
        "created_at": rfc3339(found.created_at),
        "last_used_at": _moment(found.last_used_at),
    }


def _kept(value: Any) -> Any:
    match value:
        case set():
            return frozenset(value)
        case list():
            return tuple(value)
    return value


def _moment(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)
