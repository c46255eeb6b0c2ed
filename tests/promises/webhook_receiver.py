"""A receiver of webhooks, as a process of its own: writes down what it takes, then says so.

Started with the path of its ledger; prints its port. Each line of the ledger is one request: the
events' ids with their data.
"""

from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ledger: int

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        taken = [[event["source"], event["id"], event["data"]] for event in json.loads(body)]
        os.write(self.ledger, json.dumps(taken).encode() + b"\n")
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def main(path: Path) -> None:
    Receiver.ledger = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
