"""``python -m csaas_examples.city_index --url http://127.0.0.1:8080 --token-file FILE``."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from datetime import UTC, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from borough_client import Client
from csaas_examples.city_index.city import CLASSES, City
from csaas_examples.city_index.server import Board, serve


def main() -> None:
    """Serve the page until SIGTERM or Ctrl-C."""
    asked = _arguments()
    try:
        token = asked.token_file.read_text().strip()
    except OSError as error:
        sys.exit(f"city_index: the token cannot be read: {error}")
    try:
        client = Client(asked.url, token, ca=asked.ca)
    except ValueError as error:
        sys.exit(f"city_index: {error}")
    with client:
        city = City(client, {**CLASSES, **dict(asked.classes)}, asked.project)
        board = Board(city.ask, asked.every)
        refresh_s = max(1, round(asked.every))
        server = serve(board, asked.host, asked.port, asked.name, refresh_s, asked.zone)
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        board.start()
        threading.Thread(target=server.serve_forever, name="server", daemon=True).start()
        host, port = server.server_address[:2]
        print(f"city_index: http://{host!s}:{port}/", flush=True)  # noqa: T201 - a command speaks
        ended.wait()
        server.shutdown()
        server.server_close()
        board.stop()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="city_index", description=__doc__)
    parser.add_argument("--url", required=True, help="of the platform")
    parser.add_argument("--token-file", required=True, type=Path, help="a token of the scope read")
    parser.add_argument("--ca", help="PEM file of the city's own certificate authority")
    parser.add_argument("--project", help="take points of this project only")
    parser.add_argument("--name", default="The city", help="title of the page")
    parser.add_argument(
        "--zone", type=_zone, default=UTC, help="IANA name of the zone of the page's times"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090, help="0 takes a free one")
    parser.add_argument(
        "--every", type=_seconds, default=60.0, help="seconds between two questions"
    )
    parser.add_argument(
        "--class", dest="classes", action="append", default=[], type=_class, metavar="NAME=CLASS",
        help=f"read a measurand from points of another class; there is {', '.join(CLASSES)}",
    )  # fmt: skip
    return parser.parse_args()


def _zone(text: str) -> tzinfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no IANA zone such as Europe/Zurich"
        ) from None


def _class(text: str) -> tuple[str, str]:
    name, _, kind = text.partition("=")
    if name not in CLASSES or not kind:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(CLASSES)}=CLASS")
    return name, kind


def _seconds(text: str) -> float:
    value = float(text)
    if not 1 <= value <= 3600:
        raise argparse.ArgumentTypeError("1 to 3600 seconds")
    return value


if __name__ == "__main__":
    main()
