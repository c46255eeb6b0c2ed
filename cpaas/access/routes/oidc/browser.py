"""A browser at the provider's pages: its cookie, its forms, and where it is sent.

The cookie is another one than the console's: a link from an application has to bring it along, so
it is ``SameSite=Lax``, and it opens nothing but these pages.
"""

from __future__ import annotations

from http import HTTPStatus
from http.cookies import SimpleCookie
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import Depends, FastAPI, Request
from fastapi.responses import Response

from cpaas.access.city import City
from cpaas.access.entrance.cookie import from_our_page
from cpaas.access.pages.provider.rendering import guards, page
from cpaas.access.problems import Problem
from cpaas.limits import FORM_BYTES_MAX
from security.aaa.oidc.messages import Asked, Reply
from security.aaa.oidc.sessions import Session
from security.limits import PARAMETERS_MAX

COOKIE = "borough_sign_in"
_FORM = "application/x-www-form-urlencoded"
Pairs = list[tuple[str, str]]


class PageProblem(Problem):
    """A refusal that a person reads in a browser."""


def install(app: FastAPI) -> None:
    """Have such refusals shown as pages."""

    @app.exception_handler(PageProblem)
    async def of_page(request: Request, error: PageProblem) -> Response:
        return mistaken(str(error.detail), HTTPStatus(error.status_code))


async def form_of(request: Request) -> Pairs:
    """Return the fields of a form.

    Raises:
        Problem: 415 for another kind of body, 413 for too long a one, 400 for none.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send a form: {_FORM}")
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > FORM_BYTES_MAX:
            told = f"a form has at most {FORM_BYTES_MAX:,} bytes"
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, told)
    return _pairs(body.decode(errors="replace"))


Form = Annotated[Pairs, Depends(form_of)]


async def own_form_of(request: Request) -> Pairs:
    """Return the fields of a form of our own pages; raises Problem as `form_of`, and 403."""
    if not from_our_page(request.scope, request.headers):
        raise PageProblem(
            HTTPStatus.FORBIDDEN, "this form was sent by another site; open the page itself"
        )
    return await form_of(request)


OwnForm = Annotated[Pairs, Depends(own_form_of)]


def query_of(request: Request) -> Pairs:
    """Return the parameters of the address; raises Problem (400)."""
    return _pairs(request.url.query)


def asked(pairs: Pairs, session: Session | None) -> Asked:
    """Return what a browser asks for; raises PageProblem (400)."""
    try:
        return Asked.of(pairs, method="GET", session=session)
    except ValueError as error:
        raise PageProblem(HTTPStatus.BAD_REQUEST, str(error)) from None


def known_to(city: City, request: Request) -> Session | None:
    """Return whom a browser's cookie stands for, None for nobody."""
    jar = SimpleCookie()
    jar.load(request.headers.get("cookie", ""))
    return city.oidc.provider.sessions.current(jar[COOKIE].value if COOKIE in jar else None)


def session_of(city: City, request: Request) -> Session | None:
    """Return who is in front of the browser, None for nobody, and have the record say so."""
    found = known_to(city, request)
    if found is not None:
        request.scope["state"]["who"] = found.user.name
    return found


def cookie(city: City, token: str, max_age_s: int) -> dict[str, str]:
    """Return the header that gives a browser its sign-in, or takes it with ``max_age_s`` 0."""
    parts = [f"{COOKIE}={token}", "Path=/oauth2", f"Max-Age={max_age_s}", "HttpOnly"]
    parts += ["SameSite=Lax", *(["Secure"] if is_secure(city) else [])]
    return {"Set-Cookie": "; ".join(parts)}


def is_secure(city: City) -> bool:
    """Tell whether others know the platform by https; a proxy may speak plain HTTP to us."""
    return city.oidc.provider.issuer.startswith("https:")


def see(location: str, headers: dict[str, str] | None = None) -> Response:
    """Send a browser elsewhere, by GET and without what it just sent."""
    told = {"Location": location, **guards(), **(headers or {})}
    return Response(None, HTTPStatus.SEE_OTHER, told)


def within(path: str, pairs: Pairs) -> str:
    """Return an address of our own with parameters: a path that we name, never what was sent."""
    return f"/oauth2/{path}" + (f"?{urlencode(pairs)}" if pairs else "")


def mistaken(detail: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> Response:
    """Return the page for a request that cannot be answered to its application."""
    return page(
        "message",
        status,
        title="This did not work",
        detail="The application sent you here with a request that cannot be answered. "
        "Go back to it and try again; if it happens again, tell whoever runs it:",
        problem=detail,
    )


def answered(reply: Reply) -> Response:
    """Return what the provider answers a browser."""
    if reply.location is None:
        return mistaken(str((reply.body or {}).get("error_description", "it was refused")))
    return see(reply.location)


def _pairs(text: str) -> Pairs:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=PARAMETERS_MAX)
    except ValueError:
        raise Problem(
            HTTPStatus.BAD_REQUEST, f"a request has at most {PARAMETERS_MAX} parameters"
        ) from None
