"""Where a person types the code that a device shows."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cpaas.access.caller import About, CityPart
from cpaas.access.city import City
from cpaas.access.pages.provider.rendering import page
from cpaas.access.routes.oidc.authorize import consent_page, sign_in_page
from cpaas.access.routes.oidc.browser import OwnForm, query_of, session_of
from security.aaa.errors import Throttled
from security.aaa.oidc.ports import DeviceRequest
from security.aaa.oidc.scopes import SENTENCES
from security.aaa.oidc.sessions import Session
from security.aaa.oidc.user_codes import as_typed, normal

router = APIRouter(prefix="/oauth2/device", include_in_schema=False)


@router.get("")
def enter(city: CityPart, request: Request) -> Response:
    """Ask for the code; one that the address brings along is only filled in."""
    pairs, session = query_of(request), session_of(city, request)
    if session is None:
        return sign_in_page(city, "device", pairs)
    return _form(session, dict(pairs).get("user_code", ""))


@router.post("")
def look_up(city: CityPart, request: Request, form: OwnForm) -> Response:
    """Show what the device of a code would be allowed to do."""
    session, typed = session_of(city, request), dict(form).get("user_code", "")
    if session is None:
        return sign_in_page(city, "device", [("user_code", typed)])
    try:
        found = _waiting(city, session, typed)
    except Throttled as error:
        again = {"Retry-After": str(error.retry_after_s)}
        return _form(session, "", str(error), HTTPStatus.TOO_MANY_REQUESTS, again)
    application = (
        None if found is None else city.oidc.provider.applications.numbered(found.application)
    )
    if found is None or application is None or application.disabled:
        return _unknown(session)
    return consent_page(
        city,
        application,
        session.user.name,
        session.user.id,
        [scope for scope in SENTENCES if scope in found.scopes],
        "/oauth2/device/decision",
        user_code=as_typed(normal(typed)),
    )


@router.post("/decision")
def decide(city: CityPart, about: About, request: Request, form: OwnForm) -> Response:
    """Take what the person decided about the device."""
    told, session = dict(form), session_of(city, request)
    typed = told.get("user_code", "")
    if session is None or told.get("account") != str(session.user.id):
        return sign_in_page(city, "device", [("user_code", typed)])
    try:
        found = _waiting(city, session, typed)
    except Throttled as error:
        again = {"Retry-After": str(error.retry_after_s)}
        return _form(session, "", str(error), HTTPStatus.TOO_MANY_REQUESTS, again)
    allowed = told.get("decision") == "allow"
    if found is None or not city.oidc.provider.decide_device(found, session, allowed=allowed):
        return _unknown(session)
    application = city.oidc.provider.applications.numbered(found.application)
    about.update(allowed=allowed, application="" if application is None else application.uuid)
    title = "The device is connected" if allowed else "The device was not let in"
    detail = (
        "It goes on by itself in a few seconds. You can close this page."
        if allowed
        else "Nothing was allowed. You can close this page."
    )
    return page("message", title=title, detail=detail, problem="")


def _waiting(city: City, session: Session, typed: str) -> DeviceRequest | None:
    # By the user alone: who has signed in is known, and addresses are to be had by the million.
    return city.oidc.provider.waiting_device(typed, (session.user.id, ""))


def _unknown(session: Session) -> Response:
    problem = "No device waits with this code. Compare it, or have the device show a new one."
    return _form(session, "", problem, HTTPStatus.NOT_FOUND)


def _form(
    session: Session,
    typed: str,
    problem: str = "",
    status: HTTPStatus = HTTPStatus.OK,
    headers: dict[str, str] | None = None,
) -> Response:
    return page(
        "device",
        status,
        headers=headers,
        user=session.user.name,
        user_code=as_typed(code) if (code := normal(typed)) else "",
        problem=problem,
    )
