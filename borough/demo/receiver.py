"""A receiver of webhooks: keeps which samples came, and refuses what is not signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections import Counter
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from borough.demo.account import milliseconds
from borough.demo.limits import RECEIVER_BODY_BYTES_MAX

HOST = "127.0.0.1"


class Receiver:
    """An HTTP server in a thread. The secret comes after the address: `trust` it before use."""

    def __init__(self) -> None:
        self._secret = b""
        self._lock = threading.Lock()
        self._came: Counter[tuple[str, int]] = Counter()
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="receiver")
        self._thread.start()

    @property
    def url(self) -> str:
        """Where to deliver."""
        return f"http://{HOST}:{self._server.server_address[1]}/events"

    def trust(self, secret: str) -> None:
        """Take the subscription's secret as it was shown."""
        self._secret = base64.b64decode(secret.removeprefix("whsec_"))

    def came(self) -> Counter[tuple[str, int]]:
        """Return address and time, in milliseconds since 1970, of each sample and how often."""
        with self._lock:
            return Counter(self._came)

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _take(self, body: bytes) -> None:
        samples = [
            (sample["address"], milliseconds(sample["observed_at"]))
            for event in json.loads(body)
            for sample in event["data"]
        ]
        with self._lock:
            self._came.update(samples)

    def _signed(self, number: str, at: str, signature: str, body: bytes) -> bool:
        signed = b".".join((number.encode(), at.encode(), body))
        digest = hmac.digest(self._secret, signed, hashlib.sha256)
        return hmac.compare_digest(signature, f"v1,{base64.b64encode(digest).decode()}")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                if size > RECEIVER_BODY_BYTES_MAX:
                    self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
                    return
                body = self.rfile.read(size)
                number, at, signature = (
                    self.headers.get(f"webhook-{name}", "")
                    for name in ("id", "timestamp", "signature")
                )
                if not receiver._signed(number, at, signature, body):
                    self._answer(HTTPStatus.UNAUTHORIZED)
                    return
                receiver._take(body)
                self._answer(HTTPStatus.NO_CONTENT)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: what came is counted."""

            def _answer(self, status: HTTPStatus) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        return Handler
