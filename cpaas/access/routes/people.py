"""Users, projects and grants."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, BeforeValidator, Field

from ciaas.kernel.address import EndpointId, parse_prefix
from cpaas.access.answers import as_json
from cpaas.access.caller import Admin, Caller, Granter, Reader
from cpaas.access.problems import Problem, not_found
from security.aaa.levels import Level
from security.ports import Grant, User

router = APIRouter(tags=["people"])

_PROJECT = "project:"


class NewUser(BaseModel):
    """A user; without a password it works by tokens alone."""

    model_config = {"extra": "forbid"}

    name: str
    password: str | None = None
    admin: bool = False


class UserChange(BaseModel):
    """What to change of a user."""

    model_config = {"extra": "forbid"}

    password: str | None = None
    disabled: bool | None = None


class NewProject(BaseModel):
    """A project."""

    model_config = {"extra": "forbid"}

    name: str = Field(min_length=1)


def _level(word: object) -> object:
    try:
        return Level[word] if isinstance(word, str) else word
    except KeyError:
        raise ValueError(f"a level is one of {', '.join(Level.__members__)}") from None


class GrantBody(BaseModel):
    """Who may do what where: ``project:<name>``, ``<endpoint>/…/#`` or one point."""

    model_config = {"extra": "forbid"}

    user: str
    prefix: str
    level: Annotated[Level, BeforeValidator(_level)]


@router.get("/users")
def users(caller: Admin) -> Response:
    """List all users."""
    return as_json([_user(user) for user in caller.city.accounts.users()])


@router.post("/users", status_code=HTTPStatus.CREATED)
def add_user(body: NewUser, caller: Admin) -> Response:
    """Add a user; without a grant a user sees nothing."""
    user = caller.city.accounts.add_user(body.name, body.password, admin=body.admin)
    caller.city.refresh_rights()
    return as_json(_user(user), HTTPStatus.CREATED)


@router.patch("/users/{name}")
def change_user(name: str, body: UserChange, caller: Admin) -> Response:
    """Set another password, or shut a user out, or let one in again."""
    accounts = caller.city.accounts
    user = _named_user(caller, name)
    if body.password is not None:
        user = accounts.change_password(user.id, body.password)
    if body.disabled is not None:
        user = (accounts.disable if body.disabled else accounts.enable)(user.id)
    caller.city.refresh_rights()
    return as_json(_user(user))


@router.get("/projects")
def projects(caller: Reader) -> Response:
    """List the projects the caller may know."""
    rights = caller.city.rights
    return as_json(
        [
            {"name": project.name}
            for project in caller.city.registry.projects()
            if rights.under(caller.user, (str(project.id),), Level.ACCESS)
        ]
    )


@router.post("/projects", status_code=HTTPStatus.CREATED)
def add_project(body: NewProject, caller: Admin) -> Response:
    """Create a project: a tenant that owns endpoints."""
    project = caller.city.registry.create_project(body.name)
    return as_json({"name": project.name}, HTTPStatus.CREATED)


@router.get("/grants")
def grants(caller: Granter) -> Response:
    """List the grants on everything the caller may grant."""
    city = caller.city
    names = {user.id: user.name for user in city.accounts.users()}
    projects = {str(project.id): project.name for project in city.registry.projects()}
    return as_json(
        [
            {
                "user": names[grant.user],
                "prefix": _prefix(grant.path, projects),
                "level": grant.level.name,
            }
            for grant in city.grants.grants()
            if city.rights.level(caller.user, grant.path) >= Level.GRANT
        ]
    )


@router.put("/grants", status_code=HTTPStatus.NO_CONTENT)
def put_grant(body: GrantBody, caller: Granter) -> None:
    """Grant a level on a prefix: at most the caller's own."""
    path = _path(caller, body.prefix)
    if body.level > caller.city.rights.level(caller.user, path):
        raise Problem(HTTPStatus.FORBIDDEN, "nobody can grant more than the own level")
    user = _named_user(caller, body.user)
    caller.city.grants.put_grant(Grant(user.id, path, body.level))
    caller.city.refresh_rights()


@router.delete("/grants", status_code=HTTPStatus.NO_CONTENT)
def remove_grant(user: str, prefix: str, caller: Granter) -> None:
    """Take back the grant of a user on exactly this prefix."""
    path = _path(caller, prefix)
    if not caller.city.grants.remove_grant(_named_user(caller, user).id, path):
        raise not_found(f"{user} holds no grant on exactly {prefix}")
    caller.city.refresh_rights()


def _path(caller: Caller, prefix: str) -> tuple[str, ...]:
    """Return the path of a prefix on which the caller holds GRANT."""
    city = caller.city
    if prefix.startswith(_PROJECT):
        name = prefix.removeprefix(_PROJECT)
        number = next((p.id for p in city.registry.projects() if p.name == name), None)
        if number is None:
            raise not_found()
        path: tuple[str, ...] = (str(number),)
    else:
        levels = parse_prefix(prefix)
        path = (str(caller.owner_of(EndpointId(levels[0])).project), *levels)
    held = city.rights.level(caller.user, path)
    if held < Level.ACCESS:
        raise not_found()
    if held < Level.GRANT:
        raise Problem(HTTPStatus.FORBIDDEN, f"this needs GRANT on {prefix}; you hold {held.name}")
    return path


def _prefix(path: tuple[str, ...], projects: dict[str, str]) -> str:
    if len(path) == 1:
        return _PROJECT + projects[path[0]]
    return "/".join((*path[1:], "#"))


def _named_user(caller: Caller, name: str) -> User:
    for user in caller.city.accounts.users():
        if user.name == name:
            return user
    raise not_found(f"there is no user {name!r}")


def _user(user: User) -> dict[str, object]:
    return {"name": user.name, "admin": user.admin, "disabled": user.disabled}
