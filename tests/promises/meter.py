"""A legacy device: a Modbus counter that counts how often it was read."""

from __future__ import annotations

import socketserver
import struct
import threading
from types import TracebackType
from typing import Any

_HEADER = struct.Struct(">HHHB")
_READ = struct.Struct(">BHH")
NAME = "meter"


class Meter:
    """A Modbus TCP server of one unit; each read of its two registers returns the next number."""

    def __init__(self) -> None:
        self.served: list[int] = []
        meter = self

        class Connection(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                while request := self._exactly(_HEADER.size):
                    transaction, _, length, unit = _HEADER.unpack(request)
                    _, _, words = _READ.unpack(self._exactly(length - 1))
                    number = len(meter.served) + 1
                    body = struct.pack(">BBI", 3, 2 * words, number)
                    reply = _HEADER.pack(transaction, 0, len(body) + 1, unit) + body
                    try:
                        self.request.sendall(reply)
                    except OSError:
                        return
                    meter.served.append(number)

            def _exactly(self, size: int) -> bytes:
                data = b""
                while len(data) < size:
                    try:
                        part = self.request.recv(size - len(data))
                    except OSError:
                        return b""
                    if not part:
                        return b""
                    data += part
                return data

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Connection)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Meter:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def document(self) -> dict[str, Any]:
        """Return the connection document that lets the platform read it ten times a second."""
        point = {
            "id": "meter/reads/count",
            "address": {"table": "holding", "register": 0},
            "raw": {"type": "u32"},
            "unit": {"source": "1", "canonical": "1"},
            "sampling": {"interval_s": 0.1},
        }
        profile = {
            "id": "counter",
            "revision": 1,
            "adapter": "modbus",
            "title": "A counter of reads",
            "points": [point],
        }
        device = {"id": "meter-1", "friendly_name": "Meter", "profile": "counter"}
        return {
            "name": NAME,
            "adapter": "modbus",
            "config": {"host": "127.0.0.1", "port": self.port},
            "profiles": [profile],
            "devices": [device | {"config": {"unit": 1}}],
        }
