"""Grants: who may do what where, for how long, and what for."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, BeforeValidator, Field

from cpaas.access.answers.documents import as_json, rfc3339
from cpaas.access.caller import Caller, Granter
from cpaas.access.granting.covered import Names, base_of, extent_granted
from cpaas.access.granting.delegation import held_for, may_grant, refuse_more, refuse_over
from cpaas.access.granting.holder import Holder, holder_named
from cpaas.access.moments import read_moment
from cpaas.access.problems import Problem, not_found
from security.aaa.extents import Extent, SetExtent
from security.aaa.levels import Level
from security.aaa.subjects import check_purpose, number_of, own_subjects
from security.ports import Grant, GroupGrant, Permit

router = APIRouter(prefix="/grants", tags=["people"])


def _level(word: object) -> object:
    try:
        return Level[word] if isinstance(word, str) else None
    except KeyError:
        raise ValueError(f"a level is one of {', '.join(Level.__members__)}") from None


class NewGrant(BaseModel):
    """Who may do what where.

    Where: ``project:<name>``, ``<endpoint>/…/#``, one point, ``class:<project>/<class>``,
    ``selection:<project>/<name>``, ``endpoints:<project>/<group>``, ``key:<project>/<name>`` or
    ``record:<project>``.
    """

    model_config = {"extra": "forbid", "populate_by_name": True}

    user: str | None = None
    group: str | None = None
    subject: str | None = None
    """``app:<uuid>``; one of the three has to be named."""
    prefix: str
    level: Annotated[Level, BeforeValidator(_level, json_schema_input_type=str)]
    from_: str | None = Field(default=None, alias="from", description="when it begins")
    until: str | None = Field(default=None, description="when it ends")
    purpose: str | None = Field(
        default=None, description="counts only for requests that state this purpose"
    )

    def conditions(self) -> tuple[int | None, int | None, str | None]:
        """Return begin and end in milliseconds, and purpose.

        Raises:
            Problem: 400 for what is no time, 422 for what is no interval or no purpose.
        """
        starts, ends = read_moment(self.from_, "from"), read_moment(self.until, "until")
        if starts is not None and ends is not None and ends <= starts:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "until has to come after from")
        return starts, ends, _purpose(self.purpose)


@router.get("")
def listed(caller: Granter) -> Response:
    """List the grants on everything that the caller may grant."""
    city = caller.city
    plain = [
        *(("user", grant.user, grant.path, grant.level) for grant in city.grants.grants()),
        *(("group", g.group, g.path, g.level) for g in city.assurance.groups.group_grants()),
    ]
    permits = city.entitlements.permits.permits()
    # Asked after the grants, so that nobody is missing; a group may have gone meanwhile.
    names = Names(caller)
    holders = {("user", user.id): user.name for user in city.accounts.users()}
    holders |= {("group", number): name for number, name in names.groups.items()}
    found: list[dict[str, Any]] = [
        {kind: holders[kind, number], "prefix": names.extent(path), "level": level.name}
        for kind, number, path, level in plain
        if (kind, number) in holders and may_grant(caller, path)
    ]
    for permit in permits:
        known = number_of(permit.subject)
        if (known is not None and known not in holders) or not may_grant(caller, permit.extent):
            continue
        who = {"subject": permit.subject} if known is None else {known[0]: holders[known]}
        found.append(
            who
            | {"prefix": names.extent(permit.extent), "level": permit.level.name}
            | written(permit)
        )
    return as_json(found)


@router.put("", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def put(body: NewGrant, caller: Granter) -> None:
    """Grant a level: at most the caller's own, there and everywhere below, then and so long."""
    extent = extent_granted(caller, body.prefix)
    holder = holder_named(caller, body.user, body.group, body.subject)
    _refuse_nobody(holder)
    starts, ends, purpose = body.conditions()
    told = {"from": body.from_, "until": body.until, "for": purpose}
    caller.tell(
        **holder.written(), prefix=body.prefix, level=body.level.name,
        **{key: value for key, value in told.items() if value is not None},
    )  # fmt: skip
    held = held_for(caller, extent, starts, ends, purpose)
    refuse_more(held, body.level)
    refuse_over(caller, holder, extent, held)
    city = caller.city
    if (starts, ends, purpose) != (None, None, None) or isinstance(extent, SetExtent):
        _put_permit(caller, holder, extent, body.level, starts, ends, purpose)
    elif holder.kind == "user":
        city.grants.put_grant(Grant(holder.number, extent, body.level))
    elif holder.kind == "group":
        city.assurance.groups.put_group_grant(GroupGrant(holder.number, extent, body.level))
    else:
        _put_permit(caller, holder, extent, body.level, None, None, None)
    city.refresh_rights()


@router.delete("", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def remove(
    prefix: str,
    caller: Granter,
    user: str | None = None,
    group: str | None = None,
    subject: str | None = None,
    purpose: str | None = None,
) -> None:
    """Take back the grant of a user, a group or a subject on exactly this, for this purpose."""
    extent = extent_granted(caller, prefix)
    holder = holder_named(caller, user, group, subject)
    purpose = _purpose(purpose)
    held = held_for(caller, extent, purpose=purpose)
    refuse_over(caller, holder, extent, held)
    # What is granted higher up holds again, and must not be more than the caller could give.
    above = base_of(extent) if isinstance(extent, SetExtent) else extent[:-1]
    if not held.includes(holder.level(caller, above)):
        raise Problem(HTTPStatus.FORBIDDEN, f"without it {holder.name} would hold more than you")
    city = caller.city
    removed = city.entitlements.permits.remove_permit(holder.subject, extent, purpose)
    if not removed and purpose is None and not isinstance(extent, SetExtent):
        if holder.kind == "user":
            removed = city.grants.remove_grant(holder.number, extent)
        elif holder.kind == "group":
            removed = city.assurance.groups.remove_group_grant(holder.number, extent)
    if not removed:
        raise not_found()
    city.refresh_rights()


def _refuse_nobody(holder: Holder) -> None:
    """Refuse a grant that no request could ever come with."""
    if holder.kind == "subject" and not own_subjects(holder.name):
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"nobody comes as {holder.name}: tokens of other issuers are not taken; grant it to a "
            "user, a group or an application (app:<uuid>)",
        )


def written(permit: Permit) -> dict[str, Any]:
    """Return a permit's number, and the conditions that it has."""
    said: dict[str, Any] = {
        "number": permit.id,
        "from": None if permit.starts is None else rfc3339(permit.starts),
        "until": None if permit.ends is None else rfc3339(permit.ends),
        "purpose": permit.purpose,
    }
    return {key: value for key, value in said.items() if value is not None}


def _put_permit(
    caller: Caller,
    holder: Holder,
    extent: Extent,
    level: Level,
    starts: int | None,
    ends: int | None,
    purpose: str | None,
) -> None:
    permit = Permit(0, holder.subject, extent, level, starts, ends, purpose, caller.user)
    kept = caller.city.entitlements.permits.put_permit(permit)
    caller.tell(permit=kept.id)


def _purpose(text: str | None) -> str | None:
    try:
        return None if text is None else check_purpose(text)
    except ValueError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"purpose: {error}") from None
