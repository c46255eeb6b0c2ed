"""The session of a browser: a cookie, and the proof that a page of ours sent the request."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

from starlette.types import Scope

from security.limits import DEVICE_PROOF_LIFE_S

COOKIE = "borough_session"
DEVICE = "borough_device"
_PATH = "/api/v1"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def header(token: str, max_age_s: int, *, secure: bool) -> dict[str, str]:
    """Return the header that gives a browser its session, or takes it with ``max_age_s`` 0.

    No script can read the cookie, and no request that another site caused carries it.
    """
    parts = [f"{COOKIE}={token}", f"Path={_PATH}", f"Max-Age={max_age_s}", "HttpOnly"]
    parts += ["SameSite=Strict", *(["Secure"] if secure else [])]
    return {"Set-Cookie": "; ".join(parts)}


def device_cookie(proof: str, *, secure: bool) -> str:
    """Return the value of the header by which a browser is known at its next sign-in.

    It opens nothing, and every page of ours that signs people in gets it.
    """
    parts = [f"{DEVICE}={proof}", "Path=/", f"Max-Age={DEVICE_PROOF_LIFE_S}", "HttpOnly"]
    return "; ".join([*parts, "SameSite=Strict", *(["Secure"] if secure else [])])


def session_of(headers: Mapping[str, str]) -> str | None:
    """Return the token that the cookie holds, None when there is no cookie of ours."""
    return _of(headers, COOKIE)


def device_of(headers: Mapping[str, str]) -> str | None:
    """Return what a browser was given to be known by, None when it was given nothing."""
    return _of(headers, DEVICE)


def _of(headers: Mapping[str, str], name: str) -> str | None:
    jar = SimpleCookie()
    # What stands before a part that is no cookie is kept, the rest is dropped.
    jar.load(headers.get("cookie", ""))
    return jar[name].value if name in jar else None


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
