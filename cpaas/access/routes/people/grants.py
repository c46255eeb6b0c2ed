"""Grants: who may do what where."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, BeforeValidator

from ciaas.kernel.address import parse_prefix
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Caller, Granter
from cpaas.access.problems import Problem, not_found
from cpaas.access.routes.people.groups import group_named
from cpaas.access.routes.people.users import named
from cpaas.access.routes.security.key_rights import KEY, granted_key
from security.aaa.levels import Level
from security.aaa.rights import Path
from security.ports import Grant, GroupGrant

router = APIRouter(prefix="/grants", tags=["people"])

_PROJECT = "project:"


def _level(word: object) -> object:
    try:
        return Level[word] if isinstance(word, str) else None
    except KeyError:
        raise ValueError(f"a level is one of {', '.join(Level.__members__)}") from None


class NewGrant(BaseModel):
    """Who may do what where.

    ``project:<name>``, ``<endpoint>/…/#``, one point, or a key as ``key:<project>/<name>``.
    """

    model_config = {"extra": "forbid"}

    user: str | None = None
    group: str | None = None
    """Instead of a user; one of both has to be named."""
    prefix: str
    level: Annotated[Level, BeforeValidator(_level, json_schema_input_type=str)]


class Holder(NamedTuple):
    """A user or a group that holds a grant, or is to hold one."""

    kind: Literal["user", "group"]
    id: int
    name: str


@router.get("")
def listed(caller: Granter) -> Response:
    """List the grants on everything that the caller may grant."""
    city = caller.city
    held = [
        *(("user", grant.user, grant.path, grant.level) for grant in city.grants.grants()),
        *(("group", g.group, g.path, g.level) for g in city.assurance.groups.group_grants()),
    ]
    granted = [grant for grant in held if city.rights.level(caller.user, grant[2]) >= Level.GRANT]
    # Asked after the grants, so that nobody is missing; a group may have gone meanwhile.
    names = {("user", user.id): user.name for user in city.accounts.users()}
    names |= {("group", group.id): group.name for group in city.assurance.groups.groups()}
    projects = {str(project.id): project.name for project in city.registry.projects()}
    return as_json(
        [
            {
                kind: names[kind, number],
                "prefix": prefix_of(path, projects),
                "level": level.name,
            }
            for kind, number, path, level in granted
            if (kind, number) in names
        ]
    )


@router.put("", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def put(body: NewGrant, caller: Granter) -> None:
    """Grant a level on a prefix: at most the caller's own, there and everywhere below."""
    path = path_granted(caller, body.prefix)
    holder = _holder(caller, body.user, body.group)
    caller.tell(**{holder.kind: holder.name}, prefix=body.prefix, level=body.level.name)
    held = _held(caller, path)
    if body.level > held:
        raise Problem(
            HTTPStatus.FORBIDDEN, f"nobody can grant more than the own level, {held.name}"
        )
    _refuse_over(caller, holder, path, held)
    if holder.kind == "user":
        caller.city.grants.put_grant(Grant(holder.id, path, body.level))
    else:
        grant = GroupGrant(holder.id, path, body.level)
        caller.city.assurance.groups.put_group_grant(grant)
    caller.city.refresh_rights()


@router.delete("", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def remove(prefix: str, caller: Granter, user: str | None = None, group: str | None = None) -> None:
    """Take back the grant of a user or a group on exactly this prefix."""
    path = path_granted(caller, prefix)
    holder = _holder(caller, user, group)
    held = _held(caller, path)
    _refuse_over(caller, holder, path, held)
    # What is granted higher up holds again, and must not be more than the caller could give.
    if _level_of(caller, holder, path[:-1]) > held:
        raise Problem(HTTPStatus.FORBIDDEN, f"without it {holder.name} would hold more than you")
    groups = caller.city.assurance.groups
    removed = (
        caller.city.grants.remove_grant(holder.id, path)
        if holder.kind == "user"
        else groups.remove_group_grant(holder.id, path)
    )
    if not removed:
        raise not_found()
    caller.city.refresh_rights()


def path_granted(caller: Caller, prefix: str) -> Path:
    """Return the path of a prefix on which the caller holds GRANT.

    Raises:
        AddressError: it is no prefix.
        Problem: 404 when it is not the caller's to know, 403 below GRANT.
    """
    if prefix.startswith(_PROJECT):
        project = caller.project(prefix.removeprefix(_PROJECT), Level.GRANT)
        return (str(project.id),)
    if prefix.startswith(KEY):
        return granted_key(caller, prefix.removeprefix(KEY))
    levels = parse_prefix(prefix)
    endpoint = caller.owner_of(levels[0])
    caller.need(endpoint, levels, Level.GRANT)
    return (str(endpoint.project), *levels)


def prefix_of(path: Path, projects: Mapping[str, str]) -> str:
    """Return a granted path as the API writes it; projects are named by their number."""
    if len(path) == 1:
        return _PROJECT + projects[path[0]]
    if path[1].startswith(KEY):
        return f"{KEY}{projects[path[0]]}/{path[1].removeprefix(KEY)}"
    return "/".join((*path[1:], "#"))


def _holder(caller: Caller, user: str | None, group: str | None) -> Holder:
    """Return who is meant; raises Problem (404) for nobody, (422) unless one is named."""
    if user is not None and group is None:
        return Holder("user", named(caller, user).id, user)
    if group is not None and user is None:
        return Holder("group", group_named(caller, group).id, group)
    raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "name a user or a group, one of both")


def _held(caller: Caller, path: Path) -> Level:
    """Return the lowest level that the caller holds at the path and below it."""
    if caller.principal.user.admin:
        return Level.OWN
    return caller.city.rights.floor(caller.user, path)


def _level_of(caller: Caller, holder: Holder, path: Path) -> Level:
    rights = caller.city.rights
    level = rights.level if holder.kind == "user" else rights.group_level
    return level(holder.id, path)


def _refuse_over(caller: Caller, holder: Holder, path: Path, held: Level) -> None:
    """Keep the caller from taking rights from who holds more."""
    theirs = _level_of(caller, holder, path)
    if theirs > held and (holder.kind, holder.id) != ("user", caller.user):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"{holder.name} holds {theirs.name} there, more than you; ask who holds as much",
        )
