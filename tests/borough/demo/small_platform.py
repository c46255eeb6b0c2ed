"""The part of the public API that the demo uses, on a real HTTP server with what tests put in."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.borough.demo.quarter_broker import Authority

TOKEN = "demo-token"


def rfc3339(moment: int) -> str:
    text = datetime.fromtimestamp(moment / 1_000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef" * 2).decode()
"""Of every subscription."""


class SmallPlatform:
    """What it knows, and which requests it was sent."""

    def __init__(self, authority: Authority | None = None) -> None:
        self.history: dict[str, list[tuple[int, float | None, str]]] = {}
        """Address to rows of milliseconds, value, verdict."""
        self.quarantine: list[dict[str, Any]] = []
        """Newest first."""
        self.commands: list[dict[str, Any]] = []
        """Newest first."""
        self.mashups: dict[str, dict[str, Any]] = {}
        self.alarms: list[dict[str, Any]] = []
        """Newest first."""
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.projects = ["city"]
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.overlays: dict[str, dict[str, Any]] = {}
        self.connections: dict[str, Any] = {}
        self.asked: Counter[str] = Counter()
        """Requests by method and first word of the path."""
        self.fail_next: list[int] = []
        """Status codes to answer first, one per request."""
        self.authority = authority
        self.lock = threading.Lock()
        self.inside = self.inside_most = 0
        """Requests in work now, and the most there ever were."""
        self.pause_s = 0.0
        """How long each request takes."""

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve it; gives the base address."""
        platform = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = json.loads(self.rfile.read(length)) if length else None
                with platform.lock:
                    platform.inside += 1
                    platform.inside_most = max(platform.inside, platform.inside_most)
                time.sleep(platform.pause_s)
                with platform.lock:
                    platform.inside -= 1
                    status, content = platform.handle(self, body)
                data = (
                    content.encode() if isinstance(content, str) else json.dumps(content).encode()
                )
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def handle(self, request: BaseHTTPRequestHandler, body: Any) -> tuple[int, Any]:
        parts = urlsplit(request.path)
        path = unquote(parts.path).removeprefix("/api/v1/")
        query = parse_qs(parts.query)
        word = path.split("/")[0]
        self.asked[f"{request.command} {word}"] += 1
        if request.headers["Authorization"] != f"Bearer {TOKEN}":
            return 401, {"detail": "who are you"}
        if self.fail_next:
            return self.fail_next.pop(0), {"detail": "not now"}
        match request.command, path.split("/"):
            case "GET", ["projects"]:
                return 200, [{"name": name} for name in self.projects]
            case "POST", ["projects"]:
                self.projects.append(body["name"])
                return 201, body
            case "GET", ["ca-certificate"]:
                assert self.authority is not None
                return 200, self.authority.pem.read_text()
            case "GET", ["endpoints"]:
                return 200, self._page(query)
            case "POST", ["endpoints"]:
                return self._create(body, query)
            case "POST", ["endpoints", uuid, "certificate"]:
                return 201, self._sign(uuid, body["csr"])
            case "PATCH", ["metadata", *scope]:
                self.overlays["/".join(scope)] = body
                return 200, {"own": body}
            case "PUT", ["connections", name]:
                self.connections[name] = body
                return 200, {"name": name, "revision": 1}
            case "GET", ["history"]:
                return self._history(query)
            case "PUT", ["data", *levels]:
                return self._command("/".join(levels), body["value"])
            case "GET", ["commands"]:
                before = int(query.get("before", ["1000000000"])[0])
                rest = [command for command in self.commands if command["number"] < before]
                page = [c for c in rest if c["address"] == query["address"][0]][:2]
                return 200, {"commands": page, "next": page[-1]["number"] if page else None}
            case "GET", ["mashups"]:
                return 200, list(self.mashups.values())
            case "POST", ["mashups"]:
                uuid = f"mashup-{len(self.mashups)}"
                self.mashups[uuid] = {"uuid": uuid, "name": body["name"], "version": None}
                return 201, self.mashups[uuid]
            case "POST", ["mashups", uuid, "publish"]:
                self.mashups[uuid]["version"] = 1
                return 201, {"version": 1}
            case "GET", ["mashups", uuid, "status"]:
                return 200, {"running": self.mashups[uuid]["version"] == 1, "outputs": 3}
            case "GET", ["alarms"]:
                before = int(query.get("before", ["1000000000"])[0])
                rest = [alarm for alarm in self.alarms if alarm["id"] < before][:2]
                return 200, {"alarms": rest, "before": rest[-1]["id"] if rest else None}
            case "GET", ["subscriptions"]:
                return 200, list(self.subscriptions.values())
            case "POST", ["subscriptions"]:
                id = str(len(self.subscriptions) + 1)
                self.subscriptions[id] = {"id": id, **body}
                return 201, self.subscriptions[id] | {"secret": SECRET}
            case "DELETE", ["subscriptions", id]:
                return (204, "") if self.subscriptions.pop(id, None) else (404, {"detail": "no"})
            case "GET", ["quarantine"]:
                before = int(query.get("before", ["1000000000"])[0])
                rest = [entry for entry in self.quarantine if entry["number"] < before]
                return 200, rest[: int(query["limit"][0])]
            case "GET", ["data", *levels]:
                rows = self.history.get("/".join(levels))
                if not rows:
                    return 404, {"detail": "nothing"}
                return 200, {"timestamp": rows[-1][0] / 1_000, "value": rows[-1][1]}
        return 404, {"detail": f"no route {path}"}

    def _command(self, address: str, value: float) -> tuple[int, Any]:
        """Record a command; one for a level of 30 is refused."""
        command = {
            "number": len(self.commands) + 1,
            "address": address,
            "value": value,
            "state": "rejected" if value == 30 else "verified",
            "rungs": [{"rung": "requested", "at": rfc3339(round(time.time() * 1_000))}],
        }
        self.commands.insert(0, command)
        if value == 30:
            return 409, {"detail": "too dark", "command": command}
        return 200, command

    def _page(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        uuids = list(self.endpoints)
        after = query.get("after", [""])[0]
        start = uuids.index(after) + 1 if after else 0
        return [{"uuid": uuid} for uuid in uuids[start : start + int(query["limit"][0])]]

    def _create(self, body: Any, query: dict[str, list[str]]) -> tuple[int, Any]:
        if body["uuid"] in self.endpoints:
            return 409, {"detail": "exists"}
        self.endpoints[body["uuid"]] = {"name": query["friendlyName"][0], **body}
        return 201, self.endpoints[body["uuid"]]

    def _sign(self, uuid: str, csr: str) -> dict[str, str]:
        assert self.authority is not None and uuid in self.endpoints
        request = x509.load_pem_x509_csr(csr.encode())
        assert request.is_signature_valid
        assert request.subject.rfc4514_string() == f"O=client,CN={uuid}"
        public = request.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        return {"certificate": self.authority.certify(request.subject, public)}

    def _history(self, query: dict[str, list[str]]) -> tuple[int, Any]:
        start, end = (
            datetime.fromisoformat(query[key][0]).timestamp() * 1_000 for key in ("from", "to")
        )
        if any(address not in self.history for address in query["address"]):
            return 404, {"detail": "nothing of that name"}
        limit = int(query["max"][0])
        return 200, {
            address: [
                {"time": rfc3339(moment), "value": value, "verdict": verdict}
                for moment, value, verdict in sorted(self.history[address])
                if start <= moment <= end
            ][:limit]
            for address in query["address"]
        }
