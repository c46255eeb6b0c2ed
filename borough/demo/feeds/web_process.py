"""The web server process: car parks as XML in the shape of DATEX II, bikes as GBFS.

Run as ``python -m borough.demo.feeds.web_process``; reports the port it listens on.
"""

from __future__ import annotations

import hashlib
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path as FilePath
from typing import Any

from borough.demo.city.plan import by_path
from borough.demo.city.thing import Path
from borough.demo.devices.launch import Stop, hear_parent, report
from borough.demo.devices.modbus_process import HOST, free_port
from borough.demo.feeds.documents import PARKING_PATH, datex, gbfs
from borough.demo.feeds.present import PresentValues
from borough.demo.recordings.library import Recordings

_LOOK_S = 0.1


class FeedServer(ThreadingHTTPServer):
    """Serves the documents of the present second; an unchanged one is not sent again."""

    daemon_threads = True

    def __init__(self, port: int, recordings: Recordings) -> None:
        self._parks, self._stations = by_path(Path.DATEX), by_path(Path.GBFS)
        self._present = PresentValues((*self._parks, *self._stations), recordings)
        self._computing = threading.Lock()
        self.base = f"http://{HOST}:{port}"
        super().__init__((HOST, port), _Handler)

    def document(self, path: str) -> tuple[str, bytes] | None:
        """Return the media type and body at a path, None when nothing lies there."""
        now_s = int(time.time())
        with self._computing:
            present = self._present.at(now_s)
        if path == PARKING_PATH:
            return "application/xml", datex(self._parks, present, now_s).encode()
        body = gbfs(self._stations, present, now_s, self.base).get(path)
        return None if body is None else ("application/json", body.encode())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FeedServer

    def do_GET(self) -> None:
        found = self.server.document(self.path)
        if found is None:
            self._answer(HTTPStatus.NOT_FOUND, b"")
            return
        media, body = found
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if self.headers.get("If-None-Match") == tag:
            self._answer(HTTPStatus.NOT_MODIFIED, b"", ETag=tag)
        else:
            self._answer(HTTPStatus.OK, body, ETag=tag, **{"Content-Type": media})

    def _answer(self, status: HTTPStatus, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a request each second is no news."""


def main() -> None:
    """Run the server as its parent says."""
    stop = Stop()
    told = hear_parent()
    recordings = Recordings(FilePath(told["kept"]) if told.get("kept") else None)
    port = free_port(int(told["port"]))
    server = FeedServer(port, recordings)
    threading.Thread(target=server.serve_forever, args=(_LOOK_S,), daemon=True).start()
    report(port=port)
    while not stop:
        time.sleep(_LOOK_S)  # a signal handler wakes nobody: it is looked at
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    main()
