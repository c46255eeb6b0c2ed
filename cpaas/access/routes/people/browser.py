"""The session of a browser: who is signed in, signing in and out by a cookie no script can read."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from cpaas.access.answers.described import Session, answers
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import About, CityPart
from cpaas.access.city import City
from cpaas.access.entrance.cookie import device_cookie, from_our_page, header, session_of
from cpaas.access.problems import Problem
from cpaas.access.routes.people.session import DoorwayPart, SignIn, signed_in
from security.aaa.errors import NotAuthenticated, UnknownToken
from security.aaa.tokens import Principal
from security.limits import SIGN_IN_LIFE_S

router = APIRouter(prefix="/session", tags=["session"])


async def _own_page(request: Request) -> None:
    """Keep other sites from signing a browser in or out.

    Raises:
        Problem: 403.
    """
    if not from_our_page(request.scope, request.headers):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "only the console's own pages may do this; programs use POST /api/v1/login",
        )


OwnPage = Annotated[None, Depends(_own_page)]


@router.get("", responses=answers(Session))
def who(city: CityPart, request: Request) -> Response:
    """Return who is signed in by the cookie, and whether the first administrator is missing."""
    found = _principal(city, request)
    return as_json(
        {
            "name": None if found is None else found.user.name,
            "admin": found is not None and found.user.admin,
            "scopes": [] if found is None else sorted(found.scopes),
            "awaits_set_up": city.accounts.awaits_set_up(),
        }
    )


@router.post("", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
async def sign_in(
    body: SignIn,
    city: CityPart,
    doorway: DoorwayPart,
    about: About,
    request: Request,
    _page: OwnPage,
) -> Response:
    """Sign a browser in: the answer sets the cookie."""
    issued = await signed_in(body, city, doorway, about, request)
    secure = request.url.scheme == "https"
    answer = Response(
        None, HTTPStatus.NO_CONTENT, header(issued.text, SIGN_IN_LIFE_S, secure=secure)
    )
    answer.headers.append("Set-Cookie", device_cookie(issued.device or "", secure=secure))
    return answer


@router.delete("", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def sign_out(city: CityPart, request: Request, about: About, _page: OwnPage) -> Response:
    """End the session: its token is revoked and the cookie taken back."""
    if (found := _principal(city, request)) is not None:
        about["name"] = found.user.name
        with suppress(UnknownToken):  # another tab was faster
            city.accounts.revoke(found.user.id, found.token)
    cookie = header("", 0, secure=request.url.scheme == "https")
    return Response(None, HTTPStatus.NO_CONTENT, cookie)


def _principal(city: City, request: Request) -> Principal | None:
    """Return whom the cookie stands for, None for nobody any more."""
    session = session_of(request.headers)
    if session is None or not from_our_page(request.scope, request.headers):
        return None
    try:
        return city.accounts.authenticate(session)
    except NotAuthenticated:
        return None
