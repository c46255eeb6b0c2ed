"""Rights explained: why somebody may do something, who may do what on a thing, what I may do."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import Response

from ciaas.kernel.address import parse_prefix
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Caller, Granter
from cpaas.access.granting.covered import Names, path_granted
from cpaas.access.granting.delegation import may_grant
from cpaas.access.granting.holder import Holder, holder_of_subject, holder_of_user, user_named
from cpaas.access.granting.reserved import KEY, RECORD, is_reserved, verdict_on
from cpaas.access.problems import Problem, not_found
from cpaas.access.routes.assurance.record_rights import record_path
from cpaas.access.routes.people.grants import written
from cpaas.access.routes.security.key_rights import granted_key
from cpaas.limits import LIST_DEFAULT, LIST_MAX
from security.aaa.extents import Extent
from security.aaa.levels import Level
from security.aaa.rights import Applies, Path, Verdict
from security.aaa.subjects import Party, check_purpose, number_of
from security.ports import Permit

router = APIRouter(prefix="/rights", tags=["people"])

Action = Literal[
    "access", "browse", "describe", "read", "observe", "write", "operate", "configure", "grant",
    "own",
]  # fmt: skip


@router.get("/why")
def why(
    address: str,
    action: Action,
    caller: Granter,
    subject: str | None = None,
    purpose: str | None = None,
) -> Response:
    """Say whether somebody may do something on a thing, and which grants that comes from.

    One may ask about oneself wherever one may know something, about others where one holds GRANT.
    """
    if subject is None or subject == caller.principal.user.name:
        holder, path = holder_of_user(caller.principal.user), _path_known(caller, address)
        who, admin = caller.party, caller.principal.user.admin
    else:
        path = path_granted(caller, address)
        holder = _holder(caller, subject)
        who, admin = holder.party, False
    if purpose is not None:
        try:
            who = who._replace(purpose=check_purpose(purpose))
        except ValueError as error:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"purpose: {error}") from None
    verdict = verdict_on(caller.city.rights, who, path)
    names, need = Names(caller), Level[action.upper()]
    known = _known(verdict, names)
    return as_json(
        {
            "subject": holder.name,
            "address": address,
            "action": action,
            "allowed": verdict.level.includes(need) and not holder.disabled,
            "level": verdict.level.name,
            "needed": need.name,
            "admin": verdict.admin or admin,
            "disabled": holder.disabled,
            "decides": [_written(grant, names) for grant in known if grant.decides],
            "overruled": [_written(grant, names) for grant in known if not grant.decides],
        }
        | ({} if who.purpose is None else {"purpose": who.purpose})
    )


@router.get("")
def listed(
    caller: Granter,
    prefix: str | None = None,
    subject: str | None = None,
    limit: int = LIST_DEFAULT,
    after: str | None = None,
) -> Response:
    """List who holds which level on a prefix, or what a subject holds; without both, what I hold.

    By prefix: everybody who may do anything there or below, by name: users, applications, claims.
    By subject: everything that is granted, own grants and those of groups; of others only where
    the caller holds GRANT.
    """
    if not 1 <= limit <= LIST_MAX:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"limit is 1 to {LIST_MAX}")
    if prefix is not None:
        path = path_granted(caller, prefix)
        whose = None if subject is None else _holder(caller, subject)
        names = Names(caller)
        found = [
            (holder.name, _on(caller, holder, path, names))
            for holder in (_everybody(caller) if whose is None else [whose])
            if _may_anything(caller, holder.party, path)
        ]
        return as_json([entry for name, entry in found if after is None or name > after][:limit])
    own = subject is None or subject == caller.principal.user.name
    holder = holder_of_user(caller.principal.user)
    if not own:
        assert subject is not None
        holder = _holder(caller, subject)
    entries = _held(caller, holder, caller.party if own else holder.party, everything=own)
    if not own and not entries:
        raise not_found()
    ordered = sorted(entries, key=lambda entry: str(entry["prefix"]))
    return as_json([e for e in ordered if after is None or e["prefix"] > after][:limit])


def _holder(caller: Caller, name: str) -> Holder:
    """Return a user by name, or another subject; raises Problem."""
    if ":" in name:
        return holder_of_subject(caller, name)
    return holder_of_user(user_named(caller, name))


def _everybody(caller: Caller) -> list[Holder]:
    """Return users and the other subjects that hold a grant, by name."""
    found = list(map(holder_of_user, caller.city.accounts.users()))
    known = {holder.name for holder in found}
    found += [Holder("subject", s, s) for s in caller.city.rights.subjects() if s not in known]
    return sorted(found, key=lambda holder: holder.name)


def _may_anything(caller: Caller, who: Party, path: Path) -> bool:
    """Tell whether somebody may do anything on a path or below, where data lies below it."""
    rights = caller.city.rights
    if is_reserved(path):
        return verdict_on(rights, who, path).level >= Level.ACCESS
    return rights.under(who, path, Level.ACCESS)


def _on(caller: Caller, holder: Holder, path: Path, names: Names) -> dict[str, Any]:
    """Return what somebody may do on a path, and which groups have a say in it.

    Other groups of the holder may be of projects that are none of the caller's business.
    """
    rights = caller.city.rights
    verdict = verdict_on(rights, holder.party, path)
    groups = {grant.group for grant in verdict.applies if grant.group is not None}
    return {
        "subject": holder.name,
        "level": verdict.level.name,
        "admin": verdict.admin,
        "disabled": holder.disabled,
        "groups": [names.groups[g] for g in sorted(groups) if g in names.groups],
        "decides": [_written(grant, names) for grant in _known(verdict, names) if grant.decides],
    }


def _held(caller: Caller, holder: Holder, who: Party, *, everything: bool) -> list[dict[str, Any]]:
    """Return everything granted to somebody or to the groups, with the level that holds there."""
    city, names = caller.city, Names(caller)
    groups = city.rights.groups_of(holder.number) if holder.kind == "user" else ()
    paths: set[Path] = set()
    verdict = city.rights.why(who, ())
    if holder.kind == "user":
        paths |= {grant.path for grant in city.grants.grants() if grant.user == holder.number}
        paths |= {g.path for g in city.assurance.groups.group_grants() if g.group in groups}
    elif holder.kind == "group":
        mine = city.assurance.groups.group_grants()
        paths |= {grant.path for grant in mine if grant.group == holder.number}
    if verdict.admin:
        paths.add(())
    entries = [
        _entry(caller, who, path, verdict.admin, names)
        for path in paths
        if everything or may_grant(caller, path)
    ]
    return entries + [
        {"prefix": names.extent(permit.extent), "level": permit.level.name}
        | {"admin": False, "groups": _group(permit, names)}
        | written(permit)
        for permit in city.rights.permits_of(who)
        if everything or may_grant(caller, permit.extent)
    ]


def _entry(caller: Caller, who: Party, path: Path, admin: bool, names: Names) -> dict[str, Any]:
    found = caller.city.rights.why(who, path).applies
    here = [g.group for g in found if g.path == path and g.permit is None]
    return {
        "prefix": names.extent(path),
        "level": caller.city.rights.level(who, path).name,
        "admin": admin,
        "groups": [names.groups[g] for g in here if g is not None and g in names.groups],
    }


def _group(permit: Permit, names: Names) -> list[str]:
    kind, number = number_of(permit.subject) or ("", 0)
    return [names.groups[number]] if kind == "group" and number in names.groups else []


def _known(verdict: Verdict, names: Names) -> list[Applies]:
    """Return the grants but those of a group that has gone meanwhile."""
    return [g for g in verdict.applies if g.group is None or g.group in names.groups]


def _written(grant: Applies, names: Names) -> dict[str, Any]:
    said: Mapping[str, Any] = {}
    extent: Extent = grant.path
    if grant.permit is not None:
        extent = grant.permit.extent
        said = written(grant.permit) | ({} if grant.in_force else {"in_force": False})
    via = {} if grant.group is None else {"group": names.groups[grant.group]}
    return {"prefix": names.extent(extent), "level": grant.level.name, **via, **said}


def _path_known(caller: Caller, address: str) -> Path:
    """Return the path of an address at or below which the caller may know something.

    Raises:
        AddressError: it is no address.
        Problem: 404.
    """
    if address.startswith("project:"):
        return (str(caller.project(address.removeprefix("project:"), Level.ACCESS).id),)
    if address.startswith(KEY):
        return granted_key(caller, address.removeprefix(KEY), Level.BROWSE)
    if address.startswith(RECORD):
        return record_path(caller.project(address.removeprefix(RECORD), Level.ACCESS).id)
    levels = parse_prefix(address)
    path = (str(caller.owner_of(levels[0]).project), *levels)
    if not caller.city.rights.under(caller.party, path, Level.ACCESS):
        raise not_found()
    return path
