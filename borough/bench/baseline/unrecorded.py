"""The HTTP API of a home served twice: as it is, and without a record of what is asked.

Run as ``python -m borough.bench.baseline.unrecorded SPEC``. Both are over the same open stores in
one process, so that all they differ in is the record.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from borough.bench.load.generator import answer
from borough.home import Home
from borough.roles.core import Core
from borough.roles.http import serving
from borough.settings import Listen, Settings
from cpaas.access.app import create_app
from cpaas.access.city import City
from cpaas.access.entrance.accounting import Accounting


class Unaccounted:
    """ASGI middleware in the place of the record's: it passes requests on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with the state that the next ones expect."""
        if scope["type"] == "http":
            scope["state"] = {}
        await self._app(scope, receive, send)


def without_record(city: City) -> FastAPI:
    """Return the application without the part that records."""
    app = create_app(city)
    app.user_middleware = [
        Middleware(Unaccounted)
        if isinstance(one.cls, type) and issubclass(one.cls, Accounting)
        else one
        for one in app.user_middleware
    ]
    return app


async def _serve(home: Home, settings: Settings, plain: Listen) -> None:
    """Serve until standard input ends."""
    core = Core(home, settings)
    city = core.build_city()
    core.accounting.begin()
    work = [asyncio.create_task(one) for one in core.accounting.work()]
    async with serving(create_app(city), settings.http), serving(without_record(city), plain):
        answer({"open": 2})
        await asyncio.to_thread(sys.stdin.read)
    for task in work:
        task.cancel()
    await asyncio.gather(*work, return_exceptions=True)
    core.accounting.close()


def main() -> None:
    """Serve the home that the argument, a JSON object, names."""
    spec: dict[str, Any] = json.loads(sys.argv[1])
    home, listen = Home(Path(spec["home"])), Listen("127.0.0.1", spec["recorded"])
    settings = Settings(home=home.path, http=listen)
    asyncio.run(_serve(home, settings, Listen("127.0.0.1", spec["plain"])))


if __name__ == "__main__":
    main()
