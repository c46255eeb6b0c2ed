"""Grants: who may do what where."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, TypeAlias

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, BeforeValidator

from ciaas.kernel.address import parse_prefix
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Caller, Granter
from cpaas.access.problems import Problem, not_found
from cpaas.access.routes.people.users import named
from security.aaa.levels import Level
from security.ports import Grant, User

router = APIRouter(prefix="/grants", tags=["people"])

_Path: TypeAlias = tuple[str, ...]
_PROJECT = "project:"


def _level(word: object) -> object:
    try:
        return Level[word] if isinstance(word, str) else None
    except KeyError:
        raise ValueError(f"a level is one of {', '.join(Level.__members__)}") from None


class NewGrant(BaseModel):
    """Who may do what where: ``project:<name>``, ``<endpoint>/…/#`` or one point."""

    model_config = {"extra": "forbid"}

    user: str
    prefix: str
    level: Annotated[Level, BeforeValidator(_level, json_schema_input_type=str)]


@router.get("")
def listed(caller: Granter) -> Response:
    """List the grants on everything that the caller may grant."""
    city = caller.city
    granted = [
        grant
        for grant in city.grants.grants()
        if city.rights.level(caller.user, grant.path) >= Level.GRANT
    ]
    # Asked after the grants, so that nobody is missing.
    names = {user.id: user.name for user in city.accounts.users()}
    projects = {str(project.id): project.name for project in city.registry.projects()}
    return as_json(
        [
            {
                "user": names[grant.user],
                "prefix": _prefix(grant.path, projects),
                "level": grant.level.name,
            }
            for grant in granted
        ]
    )


@router.put("", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def put(body: NewGrant, caller: Granter) -> None:
    """Grant a level on a prefix: at most the caller's own, there and everywhere below."""
    path = _path(caller, body.prefix)
    user = named(caller, body.user)
    caller.tell(user=user.name, prefix=body.prefix, level=body.level.name)
    held = _held(caller, path)
    if body.level > held:
        raise Problem(
            HTTPStatus.FORBIDDEN, f"nobody can grant more than the own level, {held.name}"
        )
    _refuse_over(caller, user, path, held)
    caller.city.grants.put_grant(Grant(user.id, path, body.level))
    caller.city.refresh_rights()


@router.delete("", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def remove(user: str, prefix: str, caller: Granter) -> None:
    """Take back the grant of a user on exactly this prefix."""
    path = _path(caller, prefix)
    whose = named(caller, user)
    held = _held(caller, path)
    _refuse_over(caller, whose, path, held)
    # What is granted higher up holds again, and must not be more than the caller could give.
    if caller.city.rights.level(whose.id, path[:-1]) > held:
        raise Problem(HTTPStatus.FORBIDDEN, f"without it {user} would hold more than you there")
    if not caller.city.grants.remove_grant(whose.id, path):
        raise not_found()
    caller.city.refresh_rights()


def _path(caller: Caller, prefix: str) -> _Path:
    """Return the path of a prefix on which the caller holds GRANT.

    Raises:
        AddressError: it is no prefix.
        Problem: 404 when it is not the caller's to know, 403 below GRANT.
    """
    if prefix.startswith(_PROJECT):
        project = caller.project(prefix.removeprefix(_PROJECT), Level.GRANT)
        return (str(project.id),)
    levels = parse_prefix(prefix)
    endpoint = caller.owner_of(levels[0])
    caller.need(endpoint, levels, Level.GRANT)
    return (str(endpoint.project), *levels)


def _held(caller: Caller, path: _Path) -> Level:
    """Return the lowest level that the caller holds at the path and at its own grants below."""
    if caller.principal.user.admin:
        return Level.OWN
    below = [
        grant.level
        for grant in caller.city.grants.grants()
        if grant.user == caller.user and grant.path[: len(path)] == path
    ]
    return min([caller.city.rights.level(caller.user, path), *below])


def _refuse_over(caller: Caller, user: User, path: _Path, held: Level) -> None:
    """Keep the caller from taking rights from who holds more."""
    theirs = caller.city.rights.level(user.id, path)
    if theirs > held and user.id != caller.user:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"{user.name} holds {theirs.name} there, more than you; ask who holds as much",
        )


def _prefix(path: _Path, projects: dict[str, str]) -> str:
    if len(path) == 1:
        return _PROJECT + projects[path[0]]
    return "/".join((*path[1:], "#"))
