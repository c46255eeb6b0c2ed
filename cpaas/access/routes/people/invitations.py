"""Invitations: how a person comes by an account without anybody knowing the password."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from cpaas.access.answers.documents import as_json, rfc3339
from cpaas.access.caller import About, Caller, CityPart, Granter, Person
from cpaas.access.granting.delegation import held_for, refuse_more
from cpaas.access.problems import Problem, not_found
from cpaas.access.routes.people.session import DoorwayPart
from security.aaa.levels import Level
from security.aaa.people_ports import Invitation
from security.limits import INVITATION_LIFE_S

router = APIRouter(prefix="/invitations", tags=["people"])


class NewInvitation(BaseModel):
    """Whom somebody invites, and what the person will be able to do."""

    model_config = {"extra": "forbid"}

    note: str = Field(description="for whom it is; nobody else is told")
    project: str | None = Field(None, description="where the person gets a level")
    level: str | None = Field(None, description="READ, WRITE … at most your own")
    admin: bool = False
    expires_in_s: int = INVITATION_LIFE_S


class Acceptance(BaseModel):
    """Name and password as the invited person wants them."""

    model_config = {"extra": "forbid"}

    token: str
    name: str
    password: str


@router.get("")
def listed(caller: Granter) -> Response:
    """List the open invitations that the caller may take back."""
    found = caller.city.people.invitations.pending()
    return as_json([_entity(caller, one) for one in found if _is_mine(caller, one)])


@router.post("", status_code=HTTPStatus.CREATED)
def invite(body: NewInvitation, caller: Granter, _person: Person) -> Response:
    """Invite somebody: the token is shown this once, good once, and not for long.

    Administrators invite anybody; whoever holds OWN on a project invites to that project.
    """
    project = None
    if body.project is not None:
        project = caller.project(body.project, Level.OWN).id
    elif not caller.admin:
        raise Problem(
            HTTPStatus.FORBIDDEN, "name the project that you invite to; without one ask an operator"
        )
    if body.admin and not caller.admin:
        raise Problem(HTTPStatus.FORBIDDEN, "administrators are invited by administrators alone")
    level = _level(body.level)
    if project is not None and level is not None:
        refuse_more(held_for(caller, (str(project),)), level)
    text, made = caller.city.people.invitations.invite(
        caller.principal.user,
        body.note,
        admin=body.admin,
        project=project,
        level=level,
        life_s=body.expires_in_s,
    )
    caller.tell(invitation=made.id, admin=made.admin, level=body.level)
    return as_json(_entity(caller, made) | {"token": text}, HTTPStatus.CREATED)


@router.delete("/{number}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def withdraw(number: int, caller: Granter, _person: Person) -> None:
    """Take an invitation back."""
    pending = caller.city.people.invitations.pending()
    if not any(one.id == number and _is_mine(caller, one) for one in pending):
        raise not_found()
    caller.city.people.invitations.withdraw(number)


@router.post("/accept", status_code=HTTPStatus.CREATED)
async def accept(
    body: Acceptance, city: CityPart, doorway: DoorwayPart, about: About, request: Request
) -> Response:
    """Make an account by an invitation; then sign in with it."""
    user = await doorway.work(
        lambda: city.people.invitations.accept(body.token, body.name, body.password)
    )
    about["name"] = user.name
    city.refresh_rights()
    return as_json({"name": user.name}, HTTPStatus.CREATED)


def _level(word: str | None) -> Level | None:
    if word is None:
        return None
    if word not in Level.__members__:
        told = ", ".join(Level.__members__)
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"a level is one of {told}")
    return Level[word]


def _is_mine(caller: Caller, one: Invitation) -> bool:
    if caller.admin or one.inviter == caller.user:
        return True
    return one.project is not None and caller.level(one.project) >= Level.OWN


def _entity(caller: Caller, one: Invitation) -> dict[str, Any]:
    projects = {project.id: project.name for project in caller.city.registry.projects()}
    inviter = {user.id: user.name for user in caller.city.accounts.users()}.get(one.inviter)
    return {
        "id": one.id,
        "note": one.note,
        "admin": one.admin,
        "project": None if one.project is None else projects.get(one.project),
        "level": None if one.level is None else one.level.name,
        "inviter": inviter,
        "created_at": rfc3339(one.created_at),
        "expires_at": rfc3339(one.expires_at),
    }
