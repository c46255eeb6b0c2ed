"""Makes the pages of the provider: templates, one style sheet, and headers that guard them."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from security.aaa.oidc.redirects import origin_of

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent / "templates"
_POLICY = (
    "default-src 'none'; style-src {style}; img-src data:; base-uri 'none'; "
    "form-action {targets}; frame-ancestors 'none'"
)


def page(
    name: str,
    status: HTTPStatus = HTTPStatus.OK,
    *,
    redirect_uri: str | None = None,
    headers: dict[str, str] | None = None,
    **told: Any,
) -> Response:
    """Return a page.

    Args:
        name: Of its template.
        status: Of the answer.
        redirect_uri: Where its form may lead in the end: browsers hold the redirect that answers a
            form against the policy of the page that the form is on.
        headers: Further ones.
        told: What the template tells.
    """
    body = _environment().get_template(f"{name}.html").render(style=_style(), **told)
    targets = " ".join(["'self'", *([] if redirect_uri is None else [origin_of(redirect_uri)])])
    policy = _POLICY.format(style=_style_hash(), targets=targets)
    return Response(body, status, {**guards(policy), **(headers or {})}, "text/html")


def guards(policy: str = "default-src 'none'; frame-ancestors 'none'") -> dict[str, str]:
    """Return what keeps other sites from using a page, and everybody from keeping it."""
    return {
        "Content-Security-Policy": policy,
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        # To our own pages a browser says where a form comes from, and to nobody else.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "Cache-Control": "no-store",
    }


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # few start a page at all

    return Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _style() -> str:
    return (_FOLDER / "style.css").read_text("utf-8")


@cache
def _style_hash() -> str:
    digest = hashlib.sha256(_style().encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
