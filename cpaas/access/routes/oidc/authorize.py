"""Where an application sends a browser: sign in, and say whether it may."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import assert_never
from urllib.parse import urlsplit

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response

from cpaas.access.caller import About, CityPart
from cpaas.access.city import City
from cpaas.access.entrance.cookie import device_cookie
from cpaas.access.pages.provider.rendering import page
from cpaas.access.routes.oidc.browser import (
    Form,
    OwnForm,
    Pairs,
    answered,
    asked,
    cookie,
    is_secure,
    known_to,
    mistaken,
    query_of,
    see,
    session_of,
    within,
)
from cpaas.access.routes.people.session import DoorwayPart, SignIn, signed_in
from security.aaa.errors import NotAuthenticated, SecondFactorNeeded, Throttled
from security.aaa.oidc.messages import Consent, Login, Mistake, Reply
from security.aaa.oidc.ports import Application
from security.aaa.oidc.provider import sentences
from security.aaa.oidc.redirects import is_registered
from security.limits import SIGN_IN_LIFE_S

router = APIRouter(prefix="/oauth2", include_in_schema=False)

_TARGETS = ("authorize", "device")
"""Pages of ours that a sign-in may lead to."""


@router.get("/authorize")
def authorize(city: CityPart, request: Request) -> Response:
    """Answer an application's request, or show what has to happen first."""
    pairs, session = query_of(request), session_of(city, request)
    step = city.oidc.provider.authorise(asked(pairs, session))
    return _shown(city, step, pairs)


@router.post("/authorize")
def authorize_by_form(form: Form) -> Response:
    """Take a request that came as a form: the browser asks again by GET, with its cookie."""
    return see(within("authorize", form))


@router.post("/login")
async def sign_in(
    city: CityPart, doorway: DoorwayPart, about: About, request: Request, form: OwnForm
) -> Response:
    """Sign a browser in and go on with what it came for."""
    told, pairs = dict(form), query_of(request)
    to = told.get("to", "")
    if to not in _TARGETS:
        return mistaken("the form names no page that a sign-in leads to")
    body = SignIn(
        name=told.get("name", ""),
        password=told.get("password", ""),
        code=told.get("code") or None,
    )
    shown = partial(sign_in_page, city, to, pairs, name=body.name)
    try:
        issued = await signed_in(body, city, doorway, about, request)
    except Throttled as error:
        again = {"Retry-After": str(error.retry_after_s)}
        page_of = partial(shown, str(error), HTTPStatus.TOO_MANY_REQUESTS, headers=again)
        return await to_thread.run_sync(page_of)
    except SecondFactorNeeded as error:
        problem = f"{str(error).capitalize()}."
        page_of = partial(shown, problem, HTTPStatus.UNAUTHORIZED, second=True)
        return await to_thread.run_sync(page_of)
    except NotAuthenticated as error:
        problem = f"{str(error).capitalize()}. Check all of it and try again."
        return await to_thread.run_sync(partial(shown, problem, HTTPStatus.UNAUTHORIZED))
    before = await to_thread.run_sync(known_to, city, request)
    await to_thread.run_sync(city.oidc.provider.sessions.begin, issued, before)
    answer = see(within(to, _without_login(pairs)), cookie(city, issued.text, SIGN_IN_LIFE_S))
    known = device_cookie(issued.device or "", secure=is_secure(city))
    answer.headers.append("Set-Cookie", known)
    return answer


@router.post("/consent")
def decide(city: CityPart, about: About, request: Request, form: OwnForm) -> Response:
    """Take what the person decided."""
    told, pairs, session = dict(form), query_of(request), session_of(city, request)
    allowed = told.get("decision") == "allow"
    given = asked(pairs, session)
    if session is None or told.get("account") != str(session.user.id):
        # Somebody else signed in meanwhile: what was decided was not theirs to decide.
        return _shown(city, city.oidc.provider.authorise(given), pairs)
    about.update(application=given.parameters.get("client_id", ""), allowed=allowed)
    step = city.oidc.provider.decide(given, allowed=allowed)
    return _shown(city, step, pairs)


def _shown(city: City, step: Reply | Login | Consent | Mistake, pairs: Pairs) -> Response:
    match step:
        case Reply():
            return answered(step)
        case Mistake():
            return mistaken(step.detail)
        case Login():
            return sign_in_page(city, "authorize", pairs, again=step.again)
        case Consent():
            return consent_page(
                city,
                step.application,
                step.session.user.name,
                step.session.user.id,
                step.scopes,
                within("consent", pairs),
                redirect_uri=step.redirect_uri,
            )
    assert_never(step)


def sign_in_page(
    city: City,
    to: str,
    pairs: Pairs,
    problem: str = "",
    status: HTTPStatus = HTTPStatus.OK,
    name: str = "",
    headers: dict[str, str] | None = None,
    *,
    again: bool = False,
    second: bool = False,
) -> Response:
    """Return the page to sign in at, on the way to another page of ours."""
    application = city.oidc.provider.applications.find(dict(pairs).get("client_id", ""))
    target = dict(pairs).get("redirect_uri", "")
    known = application is not None and is_registered(target, application.redirect_uris)
    return page(
        "sign-in",
        status,
        redirect_uri=target if known else None,
        headers=headers,
        again=again,
        second=second,
        purpose=application.name if application is not None and to == "authorize" else "",
        problem=problem,
        action=within("login", pairs),
        to=to,
        user=name,
        host=urlsplit(city.oidc.provider.issuer).netloc,
    )


def consent_page(
    city: City,
    application: Application,
    user: str,
    account: int,
    scopes: Sequence[str],
    action: str,
    *,
    redirect_uri: str | None = None,
    user_code: str = "",
) -> Response:
    """Return the page that asks whether an application may."""
    projects = {project.id: project.name for project in city.registry.projects()}
    owners = {one.id: one.name for one in city.accounts.users()}
    return page(
        "consent",
        redirect_uri=redirect_uri,
        application=application.name,
        project=projects.get(application.project, "?"),
        user=user,
        account=account,
        sentences=sentences(scopes),
        action=action,
        user_code=user_code,
        fine=f"{owners.get(application.owner, '?')} answers for it. "
        "You can take this back whenever you like.",
    )


def _without_login(pairs: Pairs) -> Pairs:
    """Return a request without its wish that the person signs in, which was just granted."""
    prompts = [word for name, value in pairs if name == "prompt" for word in value.split()]
    left = [word for word in prompts if word != "login"]
    kept = [pair for pair in pairs if pair[0] != "prompt"]
    return [*kept, ("prompt", " ".join(left))] if left else kept
