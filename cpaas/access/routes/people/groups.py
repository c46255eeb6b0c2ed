"""Groups: people who hold grants together."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ciaas.limits import GROUP_NAME_CHARS_MAX
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Admin, Caller, Granter
from cpaas.access.granting.delegation import may_give, may_grant
from cpaas.access.granting.holder import group_named
from cpaas.access.granting.holder import user_named as named
from cpaas.access.problems import Problem, not_found
from security.aaa.subjects import group_subject, number_of
from security.ports import Group, Permit, Taken

router = APIRouter(prefix="/groups", tags=["people"])


class NewGroup(BaseModel):
    """A group."""

    model_config = {"extra": "forbid"}

    name: str = Field(min_length=1, max_length=GROUP_NAME_CHARS_MAX, pattern=r"^[\w.@+-]+$")


@router.get("")
def listed(caller: Granter) -> Response:
    """List the groups that hold what the caller may grant; all of them for administrators."""
    city = caller.city
    groups, members = city.assurance.groups.groups(), city.assurance.groups.members()
    known = {group.id for group in groups if caller.admin}
    granted = [permit for permit in _grants_of(caller) if may_grant(caller, permit.extent)]
    known |= {holder[1] for p in granted if (holder := number_of(p.subject)) is not None}
    names = {user.id: user.name for user in city.accounts.users()}
    return as_json(
        [
            {
                "name": group.name,
                "members": [names[m.user] for m in members if m.group == group.id],
            }
            for group in groups
            if group.id in known
        ]
    )


@router.post("", status_code=HTTPStatus.CREATED)
def add(body: NewGroup, caller: Admin) -> Response:
    """Add a group; without members and grants it does nothing."""
    caller.tell(name=body.name)
    try:
        group = caller.city.assurance.groups.add_group(body.name)
    except Taken as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from None
    return as_json({"name": group.name, "members": []}, HTTPStatus.CREATED)


@router.delete("/{name}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def remove(name: str, caller: Admin) -> None:
    """Remove a group; its members lose what they held by it at once."""
    caller.city.assurance.groups.remove_group(group_named(caller, name).id)
    caller.city.refresh_rights()


@router.put("/{name}/members/{user}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def join(name: str, user: str, caller: Granter) -> None:
    """Make a user a member: for who could grant all that the group holds."""
    group = _governed(caller, name)
    caller.city.assurance.groups.add_member(group.id, named(caller, user).id)
    caller.city.refresh_rights()


@router.delete("/{name}/members/{user}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def leave(name: str, user: str, caller: Granter) -> None:
    """Take a user out of a group: for who could grant all that the group holds."""
    group = _governed(caller, name)
    if not caller.city.assurance.groups.remove_member(group.id, named(caller, user).id):
        raise not_found()
    caller.city.refresh_rights()


def _governed(caller: Caller, name: str) -> Group:
    """Return the group when the caller could grant each of its grants to the members one by one.

    Raises:
        Problem: 404 when none of its grants is the caller's to give, 403 when not all are. A group
            without grants is an administrator's: whoever fills it later would arm its members.
    """
    group = group_named(caller, name)
    if caller.admin:
        return group
    held = _grants_of(caller, group.id)
    if not any(may_grant(caller, permit.extent) for permit in held):
        raise not_found()
    if not all(may_give(caller, permit) for permit in held):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"{name} holds more than you could grant; ask an administrator",
        )
    return group


def _grants_of(caller: Caller, group: int | None = None) -> list[Permit]:
    """Return what a group holds, or all of them, with and without conditions."""
    city = caller.city
    held = [
        Permit(0, group_subject(grant.group), grant.path, grant.level)
        for grant in city.assurance.groups.group_grants()
    ]
    held += city.entitlements.permits.permits()
    holders = ((permit, number_of(permit.subject)) for permit in held)
    return [
        permit
        for permit, holder in holders
        if holder is not None and holder[0] == "group" and group in (None, holder[1])
    ]
