"""Set-up, sign-in, the own account and its tokens."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import BaseModel, Field

from cpaas.access.answers.documents import as_json
from cpaas.access.caller import About, Anyone, CityPart, Person
from cpaas.access.city import City
from cpaas.access.entrance.cookie import device_of
from cpaas.access.problems import Problem
from cpaas.limits import SIGN_INS_AT_ONCE, SIGN_INS_WAITING_MAX
from security.aaa.errors import AccountError, Throttled
from security.aaa.tokens import IssuedToken, Scope

router = APIRouter(tags=["session"])

_T = TypeVar("_T")
_AGAIN_S = 5


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
    code: Annotated[str | None, Field(description="of the second factor, or for recovery")] = None
    device: Annotated[str | None, Field(description="what an earlier answer gave as device")] = None


class NewToken(BaseModel):
    """A token to be issued for the caller."""

    model_config = {"extra": "forbid"}

    label: str = Field(min_length=1, max_length=100)
    scopes: set[Scope] = Field(min_length=1)
    expires_in_s: int | None = Field(None, gt=0)


class Doorway:
    """Where those wait who are nobody yet: checking a password takes long, on threads of its own.

    However many try, the threads of those who are signed in stay free.
    """

    def __init__(
        self, at_once: int = SIGN_INS_AT_ONCE, waiting_max: int = SIGN_INS_WAITING_MAX
    ) -> None:
        self._places = CapacityLimiter(at_once)
        self._present = 0
        self.places = at_once + waiting_max
        """How many may be inside or wait; further ones are turned away."""

    async def work(self, work: Callable[[], _T]) -> _T:
        """Return what the work returns.

        Raises:
            Throttled: as many wait already as may.
        """
        if self._present >= self.places:
            raise Throttled(_AGAIN_S)
        self._present += 1
        try:
            return await to_thread.run_sync(work, limiter=self._places)
        finally:
            self._present -= 1


async def _doorway_of(request: Request) -> Doorway:
    doorway: Doorway = request.app.state.doorway
    return doorway


DoorwayPart = Annotated[Doorway, Depends(_doorway_of)]


@router.post("/setup", status_code=HTTPStatus.CREATED)
async def set_up(body: SetUp, city: CityPart, doorway: DoorwayPart, about: About) -> Response:
    """Create the first administrator with the one-time code of the first start."""
    user, issued = await doorway.work(
        lambda: city.accounts.set_up(body.code, body.name, body.password)
    )
    about["name"] = user.name
    return as_json({"name": user.name} | _issued(issued), HTTPStatus.CREATED)


@router.post("/login")
async def sign_in(
    body: SignIn, city: CityPart, doorway: DoorwayPart, about: About, request: Request
) -> Response:
    """Exchange name and password for a token.

    One without any scope sets up the second factor that the caller must have, and nothing else.
    """
    issued = await signed_in(body, city, doorway, about, request, kind="sign-in", enrolling=True)
    return as_json(_issued(issued) | {"device": issued.device})


async def signed_in(
    body: SignIn,
    city: City,
    doorway: Doorway,
    about: dict[str, Any],
    request: Request,
    *,
    kind: str = "browser",
    enrolling: bool = False,
) -> IssuedToken:
    """Return a token for a name and the right password; raises as `Accounts.sign_in`."""
    source = request.client.host if request.client else ""
    device = body.device or device_of(request.headers)

    def attempt() -> IssuedToken:
        try:
            issued = city.accounts.sign_in(
                body.name,
                body.password,
                source,
                code=body.code,
                device=device,
                enrolling=enrolling,
            )
        except AccountError as error:
            if isinstance(error, Throttled):
                about["throttled"] = error.reason
            # A name that nobody has is not recorded: it may be a password in the wrong field.
            if any(user.name == body.name for user in city.accounts.users()):
                about["name"] = body.name
            raise
        names = {user.id: user.name for user in city.accounts.users()}
        about["name"] = names[issued.token.user]
        city.people.sessions.began(issued.token, kind, source)
        return issued

    known = device is not None and await run_in_threadpool(city.accounts.knows, body.name, device)
    return await (request.app.state.known_doorway if known else doorway).work(attempt)


@router.get("/account")
async def account(caller: Anyone) -> Response:
    """Return who the token stands for and what it may do; an application's needs ``read``."""
    user = caller.principal.user
    if caller.principal.application is not None and Scope.READ not in caller.principal.scopes:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "the token lacks the scope 'read'; who let you in is told at /oauth2/userinfo",
        )
    return as_json(
        {"name": user.name, "admin": user.admin, "scopes": sorted(caller.principal.scopes)}
    )


@router.get("/tokens")
def tokens(caller: Person) -> Response:
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
def issue(body: NewToken, caller: Person, request: Request) -> Response:
    """Issue a token with at most the scopes of the one used to ask."""
    caller.tell(scopes=sorted(body.scopes))
    excess = body.scopes - caller.principal.scopes
    if excess:
        names = ", ".join(sorted(excess))
        raise Problem(HTTPStatus.FORBIDDEN, f"your own token lacks: {names}")
    issued = caller.city.accounts.issue_token(
        caller.user, body.label, body.scopes, body.expires_in_s
    )
    caller.city.people.sessions.began(
        issued.token, "token", request.client.host if request.client else ""
    )
    caller.tell(issued=issued.token.id)
    return as_json(_issued(issued), HTTPStatus.CREATED)


@router.delete("/tokens/{number}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def revoke(number: int, caller: Person) -> None:
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
