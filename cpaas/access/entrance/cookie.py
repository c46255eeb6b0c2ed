"""The session of a browser: a cookie, and the proof that a page of ours sent the request."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

from starlette.types import Scope

COOKIE = "borough_session"
_PATH = "/api/v1"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def header(token: str, max_age_s: int, *, secure: bool) -> dict[str, str]:
    """Return the header that gives a browser its session, or takes it with ``max_age_s`` 0.

    No script can read the cookie, and no request that another site caused carries it.
    """
    parts = [f"{COOKIE}={token}", f"Path={_PATH}", f"Max-Age={max_age_s}", "HttpOnly"]
    parts += ["SameSite=Strict", *(["Secure"] if secure else [])]
    return {"Set-Cookie": "; ".join(parts)}


def session_of(headers: Mapping[str, str]) -> str | None:
    """Return the token that the cookie holds, None when there is no cookie of ours."""
    jar = SimpleCookie()
    # What stands before a part that is no cookie is kept, the rest is dropped.
    jar.load(headers.get("cookie", ""))
    return jar[COOKIE].value if COOKIE in jar else None


def from_our_page(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Tell whether a page of this very origin sent the request.

    Browsers say so themselves: ``Sec-Fetch-Site`` on every request to a trustworthy origin,
    ``Origin`` on every one that may change something. A request that may change something and says
    neither comes from no browser, and programs send a token instead of a cookie.
    """
    if site := headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    if origin := headers.get("origin"):
        return urlsplit(origin).netloc == headers.get("host")
    return scope["method"] in _SAFE
