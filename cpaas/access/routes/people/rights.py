"""Rights explained: why somebody may do something, who may do what on a thing, what I may do."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Literal, NamedTuple

from fastapi import APIRouter
from fastapi.responses import Response

from ciaas.kernel.address import parse_prefix
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Caller, Granter
from cpaas.access.problems import Problem, not_found
from cpaas.access.routes.people.grants import path_granted, prefix_of
from cpaas.access.routes.people.users import named
from cpaas.limits import LIST_DEFAULT, LIST_MAX
from security.aaa.levels import Level
from security.aaa.rights import Applies, Path
from security.ports import User

router = APIRouter(prefix="/rights", tags=["people"])

Action = Literal["access", "browse", "read", "write", "configure", "grant", "own"]


class _Names(NamedTuple):
    """How the API writes the numbers of the engine."""

    projects: Mapping[str, str]
    groups: Mapping[int, str]

    def written(self, grant: Applies) -> dict[str, Any]:
        via = {} if grant.group is None else {"group": self.groups[grant.group]}
        prefix = prefix_of(grant.path, self.projects) if grant.path else "#"
        return {"prefix": prefix, "level": grant.level.name, **via}


@router.get("/why")
def why(address: str, action: Action, caller: Granter, subject: str | None = None) -> Response:
    """Say whether a user may do something on a thing, and which grants that comes from.

    One may ask about oneself wherever one may know something, about others where one holds GRANT.
    """
    if subject is None or subject == caller.principal.user.name:
        user, path = caller.principal.user, _path_known(caller, address)
    else:
        path = path_granted(caller, address)
        user = named(caller, subject)
    verdict = caller.city.rights.why(user.id, path)
    names, need = _names(caller), Level[action.upper()]
    known = [grant for grant in verdict.applies if grant.group in (None, *names.groups)]
    return as_json(
        {
            "subject": user.name,
            "address": address,
            "action": action,
            "allowed": verdict.level >= need and not user.disabled,
            "level": verdict.level.name,
            "needed": need.name,
            "admin": verdict.admin,
            "disabled": user.disabled,
            "decides": [names.written(grant) for grant in known if grant.decides],
            "overruled": [names.written(grant) for grant in known if not grant.decides],
        }
    )


@router.get("")
def listed(
    caller: Granter,
    prefix: str | None = None,
    subject: str | None = None,
    limit: int = LIST_DEFAULT,
    after: str | None = None,
) -> Response:
    """List who holds which level on a prefix, or what a user holds; without both, what I hold.

    By prefix: every user who may do anything there or below, by name. By user: every prefix that
    is granted, own grants and those of groups; of others only where the caller holds GRANT.
    """
    if not 1 <= limit <= LIST_MAX:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"limit is 1 to {LIST_MAX}")
    if prefix is not None:
        path = path_granted(caller, prefix)
        whose = None if subject is None else named(caller, subject).id
        found = [
            (user.name, _on(caller, user, path))
            for user in sorted(caller.city.accounts.users(), key=lambda user: user.name)
            if whose in (None, user.id) and caller.city.rights.under(user.id, path, Level.ACCESS)
        ]
        return as_json([entry for name, entry in found if after is None or name > after][:limit])
    user = caller.principal.user
    own = subject is None or subject == user.name
    if not own:
        assert subject is not None
        user = named(caller, subject)
    entries = _held(caller, user, everything=own)
    if not own and not entries:
        raise not_found()
    ordered = sorted(entries, key=lambda entry: entry["prefix"])
    return as_json([e for e in ordered if after is None or e["prefix"] > after][:limit])


def _on(caller: Caller, user: User, path: Path) -> dict[str, Any]:
    """Return what a user may do on a path, and by which groups."""
    rights, names = caller.city.rights, _names(caller)
    verdict = rights.why(user.id, path)
    return {
        "subject": user.name,
        "level": verdict.level.name,
        "admin": verdict.admin,
        "disabled": user.disabled,
        "groups": [names.groups[g] for g in sorted(rights.groups_of(user.id)) if g in names.groups],
        "decides": [
            names.written(grant)
            for grant in verdict.applies
            if grant.decides and grant.group in (None, *names.groups)
        ],
    }


def _held(caller: Caller, user: User, *, everything: bool) -> list[dict[str, Any]]:
    """Return each prefix granted to a user or the user's groups with the level that holds there."""
    city, names = caller.city, _names(caller)
    groups = city.rights.groups_of(user.id)
    paths = {grant.path for grant in city.grants.grants() if grant.user == user.id}
    paths |= {g.path for g in city.assurance.groups.group_grants() if g.group in groups}
    if user.admin:
        paths.add(())
    entries = []
    for path in paths:
        if not everything and city.rights.level(caller.user, path) < Level.GRANT:
            continue
        here = [g for g in city.rights.why(user.id, path).applies if g.path == path]
        entries.append(
            {
                "prefix": prefix_of(path, names.projects) if path else "#",
                "level": city.rights.level(user.id, path).name,
                "admin": user.admin,
                "groups": [
                    names.groups[g.group]
                    for g in here
                    if g.group is not None and g.group in names.groups
                ],
            }
        )
    return entries


def _path_known(caller: Caller, address: str) -> Path:
    """Return the path of an address at or below which the caller may know something.

    Raises:
        AddressError: it is no address.
        Problem: 404.
    """
    if address.startswith("project:"):
        return (str(caller.project(address.removeprefix("project:"), Level.ACCESS).id),)
    levels = parse_prefix(address)
    path = (str(caller.owner_of(levels[0]).project), *levels)
    if not caller.city.rights.under(caller.user, path, Level.ACCESS):
        raise not_found()
    return path


def _names(caller: Caller) -> _Names:
    return _Names(
        {str(project.id): project.name for project in caller.city.registry.projects()},
        {group.id: group.name for group in caller.city.assurance.groups.groups()},
    )
