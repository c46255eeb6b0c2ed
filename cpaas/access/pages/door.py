"""Answers the paths of the console before anything else sees them; the API is passed on to."""

from __future__ import annotations

import secrets
from http import HTTPStatus

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cpaas.access.pages.folder import ENTRY, File, PageFolder
from cpaas.access.pages.waiting import STYLE_HASH, waiting_page

PAGES = ("sign-in", "set-up", "devices", "mashups")
"""First levels of the console's own paths; with ``/`` these are the pages that it can show."""
NONCE = b"__NONCE__"
"""Stands in the document where the number goes that allows its style sheets to be added to."""
_ASSETS = "assets/"
"""Files whose names hold a hash of what is in them."""
_FOREVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' {style}; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


class PageDoor:
    """ASGI middleware, the outermost: pages tell nothing of the city and leave no record."""

    def __init__(self, app: ASGIApp, pages: PageFolder):
        self._app, self._pages = app, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a page or one of its files; pass on whatever else is asked."""
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            path: str = scope["path"].removeprefix("/")
            if _is_page(path):
                await (await self._document())(scope, receive, send)
                return
            if "/" not in path or path.startswith(_ASSETS):
                file = (await to_thread.run_sync(self._pages.files)).get(path)
                if file is not None and path != ENTRY:
                    await _answer(file, Headers(scope=scope), path)(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _document(self) -> Response:
        files = await to_thread.run_sync(self._pages.files)
        if ENTRY not in files:
            progress = await to_thread.run_sync(self._pages.progress)
            headers = _guards(STYLE_HASH) | {"Cache-Control": "no-store"}
            # Not 503: the browser is to show the page and come again, and nothing has failed.
            return Response(waiting_page(progress), HTTPStatus.OK, headers, "text/html")
        nonce = secrets.token_urlsafe(16)
        headers = _guards(f"'nonce-{nonce}'") | {"Cache-Control": "no-store"}
        body = files[ENTRY].plain.replace(NONCE, nonce.encode())
        return Response(body, HTTPStatus.OK, headers, "text/html")


def _is_page(path: str) -> bool:
    return path == "" or path.partition("/")[0] in PAGES


def _answer(file: File, asked: Headers, path: str) -> Response:
    headers = {
        "Cache-Control": _FOREVER if path.startswith(_ASSETS) else _ASK_AGAIN,
        "ETag": file.etag,
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if file.etag in asked.get("if-none-match", ""):
        return Response(None, HTTPStatus.NOT_MODIFIED, headers)
    if file.gzip is not None and "gzip" in asked.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(file.gzip, HTTPStatus.OK, headers, file.media_type)
    return Response(file.plain, HTTPStatus.OK, headers, file.media_type)


def _guards(style: str) -> dict[str, str]:
    """Return what keeps other sites and injected text from using the page."""
    return {
        "Content-Security-Policy": _POLICY.format(style=style),
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    }
