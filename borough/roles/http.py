"""Serves the HTTP application within a role's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

from borough.settings import Listen

_BACKLOG = 1024
_LAST_ANSWERS_S = 2
_TAKES_NOTHING_MS = 60_000
"""After so long the kernel ends a connection whose other side takes nothing."""


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp,
    listen: Listen,
    tls: ssl.SSLContext | None = None,
    protocol: type[asyncio.Protocol] | Literal["httptools"] = "httptools",
) -> AsyncIterator[None]:
    """Serve for the length of the block; at its end requests under way are answered first."""
    bound = socket.create_server((listen.host, listen.port), backlog=_BACKLOG)
    # asyncio sets it on sockets that it opens itself alone; without it each answer waits 40 ms for
    # the delayed acknowledgement of its head. Connections inherit it.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A reader of a live feed that takes nothing is cut off; what was written for it before would
    # keep its socket for ever, since its side still answers.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _TAKES_NOTHING_MS)
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            http=protocol,
            timeout_graceful_shutdown=_LAST_ANSWERS_S,
            server_header=False,
            ssl_context_factory=None if tls is None else lambda config, default: tls,
        )
    )
    task = asyncio.create_task(server.serve([bound]))
    try:
        yield
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the role decides when it ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield
