"""The one way out: HTTP requests to hosts that users named, kept away from what is not theirs.

A name is resolved once, every address it has is checked, and the connection goes to an address that
was checked, so that a name which changes its mind in between leads nowhere else. No redirect is
followed, no proxy is taken from the environment, no cookie is kept.

Source: OWASP Server-Side Request Forgery Prevention Cheat Sheet; address blocks by RFC 6890.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from types import TracebackType
from typing import Self, TypeAlias
from urllib.parse import urlsplit

import httpcore

from ciaas.limits import (
    OUTGOING_ANSWER_BYTES_MAX,
    OUTGOING_CONNECTIONS_MAX,
    OUTGOING_S_MAX,
    OUTGOING_URL_CHARS_MAX,
)

Address: TypeAlias = IPv4Address | IPv6Address
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host; raises OSError when it has none."""

_SCHEMES = {"http": 80, "https": 443}
_NAT64 = ip_network("64:ff9b::/96")


class OutgoingError(Exception):
    """The request was not answered; the message says why.

    ::

        OutgoingError      no answer: unreachable, too slow, too large
        └── Forbidden      the address may not be reached, and trying again changes nothing
    """


class Forbidden(OutgoingError):
    """The URL is none that may be asked, or leads where nobody may reach."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Which addresses may be asked: every public one, and those that the allow-list names."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    names: frozenset[str] = frozenset()
    """Hosts that may lie in a private network. Loopback and link-local need their own entry as a
    network, since no host of a city has its name there."""

    @classmethod
    def of(cls, entries: Iterable[str]) -> Reach:
        """Return what an allow-list says: networks, addresses and host names.

        Raises:
            ValueError: an entry is none of these.
        """
        networks, names = [], set()
        for entry in entries:
            try:
                networks.append(ip_network(entry))
            except ValueError:
                if not entry or not entry.isascii() or set(entry) & set("/:@ *"):
                    raise ValueError(
                        f"{entry!r} is no network, address or host name; write 10.20.0.0/16, "
                        "192.0.2.7 or feeds.city.example"
                    ) from None
                names.add(entry.lower())
        return cls(tuple(networks), frozenset(names))

    def check_url(self, url: str) -> None:
        """Make sure that a URL has a form that may be asked; its host is not looked up.

        Raises:
            Forbidden: it has not.
        """
        if len(url) > OUTGOING_URL_CHARS_MAX:
            raise Forbidden(f"a URL has at most {OUTGOING_URL_CHARS_MAX} characters")
        if not url.isascii() or not url.isprintable() or " " in url:
            raise Forbidden("a URL is written in ASCII; encode what is not")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise Forbidden(f"{url!r:.80} is no URL: {error}") from None
        if parts.scheme not in _SCHEMES:
            raise Forbidden(f"{url!r:.80} is no URL of http or https")
        if parts.username is not None or parts.password is not None:
            raise Forbidden("a URL carries no name or password; they would be written down with it")
        if not host or port == 0:
            raise Forbidden(f"{url!r:.80} names no host")
        if (address := _literal(host)) is not None:
            self.check(host, [address])

    def check(self, host: str, addresses: Sequence[Address]) -> None:
        """Make sure that every address of a host may be reached.

        Raises:
            Forbidden: one may not.
        """
        for address in addresses:
            if not self._allowed(host, address):
                raise Forbidden(
                    f"{host} leads to {address}, which is not public; an administrator may name "
                    "it in the setting outgoing_allow"
                )

    def _allowed(self, host: str, address: Address) -> bool:
        inner = _carried(address)
        if any(one in network for network in self.networks for one in inner):
            return True
        if all(one.is_global and not one.is_multicast for one in inner):
            return True
        return host.lower() in self.names and all(map(_is_private, inner))


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
        literal = _literal(host)
        if literal is not None:
            addresses = [literal]
        else:
            addresses = [_address(text) for text in await self._resolve(host, port)]
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


def _literal(host: str) -> Address | None:
    """Return the address that a host is written as; odd forms such as 0x7f.1 are none."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def _address(text: str) -> Address:
    return ip_address(text.partition("%")[0])


def _carried(address: Address) -> Sequence[Address]:
    """Return the address and those that lie inside it: a tunnel leads to its inner address."""
    if isinstance(address, IPv4Address):
        return (address,)
    if (mapped := address.ipv4_mapped) is not None:
        return (mapped,)
    inner: list[Address] = [address]
    if (tunnelled := address.sixtofour) is not None:
        inner.append(tunnelled)
    if (teredo := address.teredo) is not None:
        inner.extend(teredo)
    if address in _NAT64:
        inner.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    return inner


def _is_private(address: Address) -> bool:
    return not (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
    )


def _trusting_this_machine() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
