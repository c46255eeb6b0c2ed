"""The feed of the page about documents on the web: two car parks in the shape of DATEX II."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PARK = """<parkingFacilityStatus>
  <parkingFacilityReference id="{id}" version="1.0"/>
  <parkingFacilityStatus>{status}</parkingFacilityStatus>
  <parkingFacilityStatusTime>2026-07-01T12:00:00.000+02:00</parkingFacilityStatusTime>
  <totalNumberOfVacantParkingSpaces>{vacant}</totalNumberOfVacantParkingSpaces>
</parkingFacilityStatus>"""
_FEED = (
    '<d2LogicalModel xmlns="http://datex2.eu/schema/2/2_0">'
    + _PARK.format(id="12717289", status="spacesAvailable", vacant=245)
    + _PARK.format(id="12717312", status="closed", vacant=0)
    + "</d2LogicalModel>"
)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = _FEED.encode()
        self.send_response(200 if self.path == "/parking.xml" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        return


@contextmanager
def parking_feed() -> Iterator[int]:
    """Serve the feed; gives the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
