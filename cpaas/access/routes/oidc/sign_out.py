"""Signing out on behalf of an application: OpenID Connect RP-Initiated Logout 1.0."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cpaas.access.caller import CityPart
from cpaas.access.city import City
from cpaas.access.entrance.cookie import from_our_page
from cpaas.access.pages.provider.rendering import page
from cpaas.access.routes.oidc.browser import (
    Form,
    Pairs,
    asked,
    cookie,
    mistaken,
    query_of,
    see,
    session_of,
    within,
)
from security.aaa.oidc.messages import Mistake

router = APIRouter(prefix="/oauth2", include_in_schema=False)

_DECISION = "decision"


@router.get("/logout")
def ask(city: CityPart, request: Request) -> Response:
    """Sign out whom the application means; ask the person when it is not certain."""
    return _signed_out(city, request, query_of(request), decision=None)


@router.post("/logout")
def sign_out(city: CityPart, request: Request, form: Form) -> Response:
    """Sign out as the page's form says, or as an application's form asks."""
    told, query = dict(form), query_of(request)
    if _DECISION in told and from_our_page(request.scope, request.headers):
        return _signed_out(city, request, query, decision=told[_DECISION])
    # From elsewhere a browser brings no cookie to a form; it asks again by GET.
    return see(within("logout", [pair for pair in form if pair[0] != _DECISION]))


def _signed_out(city: City, request: Request, pairs: Pairs, decision: str | None) -> Response:
    session = session_of(city, request)
    step = city.oidc.provider.goodbye(asked(pairs, session))
    if isinstance(step, Mistake):
        return mistaken(step.detail)
    if session is not None and not step.certain and decision is None:
        return page("sign-out", user=session.user.name, action=within("logout", pairs))
    if session is not None and decision == "stay":
        return page(
            "message",
            title="You are still signed in",
            detail="Nothing has changed. You can close this page.",
            problem="",
        )
    if session is not None:
        city.oidc.provider.sessions.end(session)
    gone = cookie(city, "", 0)
    if step.location is not None:
        return see(step.location, gone)
    return page(
        "message",
        headers=gone,
        title="You are signed out",
        detail="Applications that you let in by this sign-in have ended with it. "
        "You can close this page.",
        problem="",
    )
