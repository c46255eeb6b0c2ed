"""The caller's own credentials: password, second factor, recovery codes."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Admin, Caller, Person
from cpaas.access.problems import Problem
from cpaas.access.routes.people.session import DoorwayPart
from security.aaa.sessions import session_of
from security.aaa.totp import ADMINISTRATORS

router = APIRouter(tags=["session"])


class Proof(BaseModel):
    """Who is signed in proves it once more."""

    model_config = {"extra": "forbid"}

    password: str
    code: str | None = None


class NewPassword(Proof):
    """Another password."""

    new_password: str
    keep_tokens: bool = False


class Code(BaseModel):
    """What the device shows now."""

    model_config = {"extra": "forbid"}

    code: str


class Demand(BaseModel):
    """Whether administrators must have a second factor."""

    model_config = {"extra": "forbid"}

    required: bool


@router.put("/account/password")
async def change_password(
    body: NewPassword, caller: Person, doorway: DoorwayPart, request: Request
) -> Response:
    """Set another password; every other session ends, those by named tokens too unless kept."""
    source = _source(request)

    def work() -> int:
        _prove(caller, body, source)
        kept = session_of(caller.principal)
        held = {s.id for s in caller.city.people.sessions.of(caller.user)}
        caller.city.accounts.change_password(caller.user, body.new_password, but=_number(kept))
        tokens = not body.keep_tokens
        caller.city.people.sessions.end_all(caller.user, (kept,), tokens=tokens)
        return len(held - {s.id for s in caller.city.people.sessions.of(caller.user)})

    ended = await doorway.work(work)
    caller.tell(ended=ended)
    return as_json({"ended": ended})


@router.get("/account/second-factor")
def second_factor(caller: Person) -> Response:
    """Return whether the caller has a second factor, must have one, and how many codes are left."""
    factor = caller.city.people.factor
    return as_json(
        {
            "enrolled": factor.confirmed(caller.user),
            "required": factor.demanded(caller.principal.user),
            "recovery_codes": factor.recovery_codes(caller.user),
        }
    )


@router.post("/account/second-factor", status_code=HTTPStatus.CREATED)
async def enrol(body: Proof, caller: Person, doorway: DoorwayPart, request: Request) -> Response:
    """Return a new secret, shown this once; it counts after a code of it has come."""
    source = _source(request)

    def work() -> Response:
        _prove(caller, body, source)
        found = caller.city.people.factor.enrol(caller.principal.user)
        return as_json({"secret": found.secret, "uri": found.uri}, HTTPStatus.CREATED)

    return await doorway.work(work)


@router.post("/account/second-factor/confirm")
def confirm(body: Code, caller: Person) -> Response:
    """Take the first code; returns the recovery codes, shown this once."""
    codes = caller.city.people.factor.confirm(caller.user, body.code)
    caller.tell(second_factor=True)
    return as_json({"recovery_codes": list(codes)})


@router.post("/account/second-factor/recovery-codes", status_code=HTTPStatus.CREATED)
async def renew(body: Proof, caller: Person, doorway: DoorwayPart, request: Request) -> Response:
    """Return new recovery codes in the place of those before."""
    source = _source(request)

    def work() -> Response:
        _prove(caller, body, source)
        codes = caller.city.people.factor.renew_recovery_codes(caller.user)
        return as_json({"recovery_codes": list(codes)}, HTTPStatus.CREATED)

    return await doorway.work(work)


@router.post(
    "/account/second-factor/removal",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
)
async def remove(body: Proof, caller: Person, doorway: DoorwayPart, request: Request) -> None:
    """Remove the second factor, by password and code."""
    source, factor = _source(request), caller.city.people.factor
    if factor.demanded(caller.principal.user):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "you must have a second factor here; an administrator can reset it",
        )

    def work() -> None:
        _prove(caller, body, source)
        factor.remove(caller.user)

    await doorway.work(work)
    caller.tell(second_factor=False)


@router.get("/second-factor/administrators")
def demanded(caller: Admin) -> Response:
    """Return whether administrators must have a second factor."""
    return as_json({"required": ADMINISTRATORS in caller.city.people.factor.demands()})


@router.put(
    "/second-factor/administrators",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
)
def demand(body: Demand, caller: Admin, _person: Person) -> None:
    """Ask a second factor of administrators from their next sign-in on, or no longer."""
    caller.tell(required=body.required)
    caller.city.people.factor.demand(ADMINISTRATORS, asked=body.required)


def _prove(caller: Caller, body: Proof, source: str) -> None:
    caller.city.accounts.prove(caller.user, body.password, source, body.code)


def _number(session: str) -> int:
    return int(session.partition(":")[2])


def _source(request: Request) -> str:
    return request.client.host if request.client else ""
