"""Users, for administrators: for everybody else there are none."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel

from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Admin
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
    """List all users."""
    return as_json([_entity(user) for user in caller.city.accounts.users()])


@router.post("", status_code=HTTPStatus.CREATED)
def add(body: NewUser, caller: Admin) -> Response:
    """Add a user; without a grant a user sees nothing."""
    user = caller.city.accounts.add_user(body.name, body.password, admin=body.admin)
    caller.tell(name=user.name, admin=user.admin)
    caller.city.refresh_rights()
    return as_json(_entity(user), HTTPStatus.CREATED)


@router.patch("/{name}")
def change(name: str, body: UserChange, caller: Admin) -> Response:
    """Set another password, or shut a user out, or let one in again."""
    accounts = caller.city.accounts
    user = named(caller, name)
    caller.tell(password=body.password is not None)
    if body.password is not None:
        user = accounts.change_password(user.id, body.password)
    if body.disabled is not None:
        caller.tell(disabled=body.disabled)
        user = (accounts.disable if body.disabled else accounts.enable)(user.id)
    caller.city.refresh_rights()
    return as_json(_entity(user))


def _entity(user: User) -> dict[str, object]:
    return {"name": user.name, "admin": user.admin, "disabled": user.disabled}
