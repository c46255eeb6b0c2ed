"""Set-up, sign-in, the own account and its tokens."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from cpaas.access.answers import as_json
from cpaas.access.caller import Anyone, CityPart
from cpaas.access.problems import Problem
from security.aaa.tokens import IssuedToken, Scope

router = APIRouter(tags=["session"])


class SetUp(BaseModel):
    """The code that the first start printed, and the first administrator."""

    model_config = {"extra": "forbid"}

    code: str
    name: str = Field(min_length=1, max_length=64)
    password: str


class SignIn(BaseModel):
    """A name and a password."""

    model_config = {"extra": "forbid"}

    name: str
    password: str


class NewToken(BaseModel):
    """A token to be issued for the caller."""

    model_config = {"extra": "forbid"}

    label: str = Field(min_length=1, max_length=100)
    scopes: set[Scope] = Field(min_length=1)
    expires_in_s: int | None = Field(None, gt=0)


@router.post("/setup", status_code=HTTPStatus.CREATED)
def set_up(body: SetUp, city: CityPart, request: Request) -> Response:
    """Create the first administrator with the one-time code of the first start."""
    user, issued = city.accounts.set_up(body.code, body.name, body.password)
    request.state.who = user.name
    city.refresh_rights()
    return as_json({"name": user.name} | _issued(issued), HTTPStatus.CREATED)


@router.post("/login")
def sign_in(body: SignIn, city: CityPart, request: Request) -> Response:
    """Exchange name and password for a token."""
    request.state.about = {"name": body.name[:64]}
    source = request.client.host if request.client else ""
    issued = city.accounts.sign_in(body.name, body.password, source)
    request.state.who = body.name
    return as_json(_issued(issued))


@router.get("/account")
def account(caller: Anyone) -> Response:
    """Return who the token stands for and what it may do."""
    user = caller.principal.user
    return as_json(
        {"name": user.name, "admin": user.admin, "scopes": sorted(caller.principal.scopes)}
    )


@router.get("/tokens")
def tokens(caller: Anyone) -> Response:
    """List the caller's tokens; the tokens themselves are not kept."""
    return as_json(
        [
            {
                "id": token.id,
                "label": token.label,
                "scopes": sorted(token.scopes),
                "expires_at": token.expires_at,
            }
            for token in caller.city.accounts.tokens(caller.user)
        ]
    )


@router.post("/tokens", status_code=HTTPStatus.CREATED)
def issue(body: NewToken, caller: Anyone) -> Response:
    """Issue a token with at most the scopes of the one used to ask."""
    excess = body.scopes - caller.principal.scopes
    if excess:
        names = ", ".join(sorted(excess))
        raise Problem(HTTPStatus.FORBIDDEN, f"your own token lacks: {names}")
    token = caller.city.accounts.issue_token(
        caller.user, body.label, body.scopes, body.expires_in_s
    )
    return as_json(_issued(token), HTTPStatus.CREATED)


@router.delete("/tokens/{number}", status_code=HTTPStatus.NO_CONTENT)
def revoke(number: int, caller: Anyone) -> None:
    """Revoke one of the caller's tokens."""
    caller.city.accounts.revoke(caller.user, number)


def _issued(issued: IssuedToken) -> dict[str, object]:
    """Return a new token: the one time that its text is shown."""
    return {
        "id": issued.token.id,
        "token": issued.text,
        "scopes": sorted(issued.token.scopes),
        "expires_at": issued.token.expires_at,
    }
