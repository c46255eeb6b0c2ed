"""Users, for administrators: for everybody else there are none."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel

from cpaas.access.answers.documents import as_json, rfc3339
from cpaas.access.caller import Admin, Person
from cpaas.access.granting.holder import user_named as named
from security.ports import User

router = APIRouter(prefix="/users", tags=["people"])


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


@router.get("")
def listed(caller: Admin) -> Response:
    """List all users: since when they are there, when they were there last, their factor."""
    lives = caller.city.people.lives.lives()
    factor = caller.city.people.factor
    return as_json(
        [
            _entity(user)
            | {
                "created_at": _moment(lives[user.id].created_at if user.id in lives else None),
                "last_used_at": _moment(lives[user.id].last_used_at if user.id in lives else None),
                "second_factor": factor.confirmed(user.id),
            }
            for user in caller.city.accounts.users()
        ]
    )


@router.post("", status_code=HTTPStatus.CREATED)
def add(body: NewUser, caller: Admin, _person: Person) -> Response:
    """Add a user; without a grant a user sees nothing."""
    user = caller.city.accounts.add_user(body.name, body.password, admin=body.admin)
    caller.tell(name=user.name, admin=user.admin)
    caller.city.refresh_rights()
    return as_json(_entity(user), HTTPStatus.CREATED)


@router.patch("/{name}")
def change(name: str, body: UserChange, caller: Admin, _person: Person) -> Response:
    """Set another password, or shut a user out, or let one in again."""
    accounts = caller.city.accounts
    user = named(caller, name)
    caller.tell(password=body.password is not None)
    if body.password is not None:
        user = accounts.change_password(user.id, body.password)
        caller.city.people.sessions.end_all(user.id)
    if body.disabled is not None:
        caller.tell(disabled=body.disabled)
        user = (accounts.disable if body.disabled else accounts.enable)(user.id)
        if body.disabled:
            caller.city.people.sessions.end_all(user.id)
    caller.city.refresh_rights()
    return as_json(_entity(user))


@router.delete("/{name}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def delete(name: str, caller: Admin, _person: Person) -> None:
    """Delete a user with credentials, grants and memberships.

    What the user did stays on record under the name, which nobody gets again.
    """
    user = named(caller, name)
    caller.city.accounts.refuse_last_administrator(user.id)
    caller.city.people.sessions.end_all(user.id)
    caller.city.people.lives.delete_user(user.id, caller.city.clock.now_ms())
    caller.city.refresh_rights()


@router.delete("/{name}/second-factor", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def reset_factor(name: str, caller: Admin, _person: Person) -> None:
    """Take the second factor from who has lost it, and end all sessions."""
    user = named(caller, name)
    caller.city.people.factor.remove(user.id)
    caller.city.people.sessions.end_all(user.id)


def _moment(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)


def _entity(user: User) -> dict[str, object]:
    return {"name": user.name, "admin": user.admin, "disabled": user.disabled}
