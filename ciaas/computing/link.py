"""A connection to the broker for streams of samples, whichever client makes it.

Two implementations: `ciaas.computing.wire.Wire`, our own reader of the protocol, and
`ciaas.computing.client_link.ClientLink` on nats-py, slower and its fallback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

_PLAIN_HEADER_END = 0x0D


class WireError(ConnectionError):
    """The connection is gone or never came up; the message carries the broker's words."""


class WireTimeout(WireError):
    """No answer came in time."""


class WireUnsupported(WireError):
    """The server speaks the protocol in a way that our own reader doesn't know."""


class Delivery(NamedTuple):
    """One message as it came: ``header`` is empty, or starts with ``NATS/1.0``."""

    sid: bytes
    subject: bytes
    reply: bytes
    header: bytes
    payload: bytes

    @property
    def status(self) -> int:
        """Return the status a header line carries, such as 408, or 0 for an ordinary message."""
        if len(self.header) < 12 or self.header[8] == _PLAIN_HEADER_END:
            return 0
        return int(self.header[9:12])


class Link(Protocol):
    """One connection. One thread receives; any thread may send."""

    inbox: bytes
    """Subjects at and below it reach this connection alone."""
    pulls: int
    """Pull requests that may stand on one consumer at a time without their order being lost."""

    def publish(
        self,
        subject: bytes,
        payload: bytes,
        reply: bytes = b"",
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Send one message; returns when it is handed to the network."""
        ...

    def acknowledge(self, replies: Iterable[bytes]) -> None:
        """Acknowledge messages, joined into one write."""
        ...

    def subscribe(self, subject: bytes) -> bytes:
        """Subscribe and return the subscription's id."""
        ...

    def receive(self, timeout_s: float, marked: bytes = b"") -> list[Delivery]:
        """Return all that came, empty when nothing did in time.

        Args:
            timeout_s: Seconds to wait for the first.
            marked: Text that a message's header must contain; others with a header are skipped.

        Raises:
            WireError: the connection ended or the broker sent an error.
        """
        ...

    def request(self, subject: str, payload: object = None, *, timeout_s: float = 5.0) -> Any:
        """Ask the broker's JetStream API and return its JSON answer.

        Only for use before `receive` has its own thread: other deliveries would be dropped.

        Raises:
            WireTimeout: no answer.
            WireError: the answer is an error; the message holds the broker's description.
        """
        ...

    def close(self) -> None:
        """End the connection; a thread in `receive` gets a WireError."""
        ...


Dial: TypeAlias = Callable[[], Link]
"""Makes a new connection. Raises WireError."""
