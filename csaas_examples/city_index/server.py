"""A small HTTP server of the page: it answers from memory, however many look at it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from csaas_examples.city_index.city import State
from csaas_examples.city_index.page import SCRIPT, STYLE, page

READ_S_MAX = 10.0
"""A visitor who sends nothing for so long is let go."""
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "img-src data:; frame-ancestors *"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Board:
    """The newest state, renewed by a thread of its own.

    Args:
        ask: Returns the next state from the one before.
        every_s: Seconds between two questions to the platform.
    """

    def __init__(self, ask: Callable[[State], State], every_s: float):
        self.state = State()
        self._ask, self._every_s = ask, every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="board", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; returns when the last question is answered."""
        self._ended.set()
        self._thread.join()

    def _renew(self) -> None:
        while not self._ended.is_set():
            self.state = self._ask(self.state)
            self._ended.wait(self._every_s)


def serve(
    board: Board, host: str, port: int, name: str, refresh_s: int, zone: tzinfo = UTC
) -> ThreadingHTTPServer:
    """Return a server that is bound and not yet running; times are written in the zone."""

    class Visitor(BaseHTTPRequestHandler):
        timeout = READ_S_MAX
        server_version = "city-index"
        sys_version = ""

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def _answer(self, with_body: bool) -> None:
            kind, text = self._asked()
            body = text.encode()
            self.send_response(HTTPStatus.OK if kind else HTTPStatus.NOT_FOUND)
            headers = {
                **_HEADERS,
                "Content-Type": kind or "text/plain",
                "Content-Length": len(body),
            }
            for header, value in headers.items():
                self.send_header(header, str(value))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def _asked(self) -> tuple[str, str]:
            match self.path.partition("?")[0]:
                case "/":
                    html = page(board.state, name, refresh_s, datetime.now(UTC), zone)
                    return "text/html; charset=utf-8", html
                case "/style.css":
                    return "text/css; charset=utf-8", STYLE
                case "/renew.js":
                    return "text/javascript; charset=utf-8", SCRIPT
                case "/indices.json":
                    return "application/json", json.dumps(_document(board.state))
            return "", "there is nothing here; the page is at /\n"

        def log_message(self, format: str, *args: object) -> None:
            """Write nothing about visitors."""

    return ThreadingHTTPServer((host, port), Visitor)


def _document(state: State) -> dict[str, Any]:
    return {
        "at": None if state.at is None else state.at.isoformat(),
        "indices": state.scores(),
        "readings": dict(state.readings),
        "age_min": dict(state.age_min),
    }
