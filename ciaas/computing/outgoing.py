"""The one way out: HTTP requests to hosts that users named, kept away from what is not theirs.

A name is resolved once, every address it has is checked, and the connection goes to an address that
was checked, so that a name which changes its mind in between leads nowhere else. No redirect is
followed, no proxy is taken from the environment, no cookie is kept.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeAlias

import httpcore

from ciaas.computing.reach import Forbidden, OutgoingError, Reach, address_of, literal
from ciaas.limits import (
    OUTGOING_ANSWER_BYTES_MAX,
    OUTGOING_CONNECTIONS_MAX,
    OUTGOING_S_MAX,
)

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host; raises OSError when it has none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; of several of one name the last."""
    body: bytes = field(repr=False)


class Outgoing:
    """A pool of connections of one owner; for one event loop.

    Give each user's target its own, so that one that hangs takes no place from another.

    Args:
        reach: What may be asked.
        resolve: How names become addresses; None asks the system.
        connections: At the same time; further requests wait, as part of their time.
        tls: Whom to trust; None trusts the authorities of this machine.
    """

    def __init__(
        self,
        reach: Reach,
        *,
        resolve: Resolve | None = None,
        connections: int = OUTGOING_CONNECTIONS_MAX,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._reach = reach
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or _trusting_this_machine(),
            max_connections=min(connections, OUTGOING_CONNECTIONS_MAX),
            keepalive_expiry=_KEPT_S,
            network_backend=_Guarded(reach, resolve or _system_addresses),
        )

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_s: float = OUTGOING_S_MAX,
        answer_bytes_max: int = OUTGOING_ANSWER_BYTES_MAX,
    ) -> Answer:
        """Return the answer, whatever its status; a redirect is an answer like any other.

        Args:
            method: Of the request, upper case.
            url: Whole, http or https.
            headers: Beside Host and Content-Length.
            body: None for none.
            timeout_s: For everything from the look-up of the name to the last byte; bounded by
                OUTGOING_S_MAX.
            answer_bytes_max: A longer body is an error; bounded by OUTGOING_ANSWER_BYTES_MAX.

        Raises:
            Forbidden: it may not be asked.
            OutgoingError: there was no whole answer.
        """
        self._reach.check_url(url)
        most = min(answer_bytes_max, OUTGOING_ANSWER_BYTES_MAX)
        limit_s = min(timeout_s, OUTGOING_S_MAX)
        lines = [(name.encode(), text.encode()) for name, text in (headers or {}).items()]
        try:
            async with (
                asyncio.timeout(limit_s),
                self._pool.stream(method, url, headers=lines, content=body) as response,
            ):
                return Answer(
                    response.status,
                    {
                        name.decode("latin-1").lower(): text.decode("latin-1")
                        for name, text in response.headers
                    },
                    await _whole(response, most),
                )
        except TimeoutError:
            raise OutgoingError(f"no whole answer within {limit_s:g} s") from None
        except _FAILURES as error:
            raise OutgoingError(f"{type(error).__name__}: {error}".rstrip(": ")) from error

    async def close(self) -> None:
        """End its connections."""
        await self._pool.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


_KEPT_S = 30.0
_FAILURES = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
    OSError,
    ssl.SSLError,
    UnicodeError,
)
"""What the library raises for a peer that is away or speaks something else."""


class _Guarded(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked, and to nothing else."""

    def __init__(self, reach: Reach, resolve: Resolve) -> None:
        self._reach, self._resolve = reach, resolve
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface of httpcore
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        written = literal(host)
        if written is not None:
            addresses = [written]
        else:
            addresses = [address_of(text) for text in await self._resolve(host, port)]
        self._reach.check(host, addresses)
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(
                    str(address), port, timeout, local_address, [_NO_DELAY, *(socket_options or ())]
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface of httpcore
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise Forbidden("a socket of this machine is nobody's to ask")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


_NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def _system_addresses(host: str, port: int) -> Sequence[str]:
    """Ask the system in a thread of its own: a name server that hangs takes no other's place."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def tell(found: list[str] | OSError) -> None:
        if answer.cancelled():
            return
        if isinstance(found, OSError):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def ask() -> None:
        found: list[str] | OSError
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except OSError as error:
            found = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, found)

    threading.Thread(target=ask, name="name look-up", daemon=True).start()
    return await answer


async def _whole(response: httpcore.Response, most: int) -> bytes:
    pieces, size = [], 0
    async for piece in response.aiter_stream():
        size += len(piece)
        if size > most:
            raise OutgoingError(f"the answer has more than {most} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _trusting_this_machine() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
