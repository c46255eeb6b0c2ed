"""What admission asks of others, and what it tells them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from ciaas.kernel.address import EndpointId


class Gate(Protocol):
    """Who may come in."""

    def admit(
        self, endpoint_uuid: EndpointId, certificate_serial_hex: str, fingerprint: str
    ) -> str | None:
        """Return None to admit, else the reason in one word: ``unknown``, ``banned``, ``revoked``.

        Answers from memory: every login waits for it, one after the other.

        Args:
            endpoint_uuid: the certificate's common name, a lower-case UUID.
            certificate_serial_hex: lower-case hexadecimal without leading zeros.
            fingerprint: SHA-256 of the certificate's DER form, lower-case hexadecimal.
        """
        ...


class Permissions(NamedTuple):
    """Subjects that a client may use. An empty list permits nothing."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


class RefusalKind(StrEnum):
    """What the broker did not let happen."""

    CONNECT = "connect"
    HANDSHAKE = "handshake"
    """No certificate, or one of another authority."""
    PUBLISH = "publish"
    """Dropped, although the broker acknowledged it."""
    SUBSCRIBE = "subscribe"
    OVERSIZE = "oversize"
    PROTOCOL = "protocol"
    """A packet that the broker cannot take, such as a topic with a space."""
    QUOTA = "quota"
    """Disconnected by us: its project sent or stored more than it may; nothing was dropped."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing refused, without its payload."""

    at: int
    """Milliseconds since 1970 UTC of the first of them."""
    client: str
    """The client id. Proven only for PUBLISH and SUBSCRIBE; otherwise what the client claims."""
    kind: RefusalKind
    subject: str = ""
    reason: str = ""
    """One word, where one is known."""
    detail: str = ""
    count: int = 1


OnRefusal = Callable[[Refusal], None]

OnAdmit = Callable[[EndpointId, str, int], None]
"""Told of endpoint, server id and connection number before the answer leaves."""

OnListed = Callable[[Mapping[EndpointId, str]], None]
"""Told of each device that the broker lists, and the SHA-256 of the certificate it showed, hex.
Called by a thread."""

OnPresence = Callable[[EndpointId, bool, int, str], None]
"""Told of endpoint, whether it is online, since when (ms, UTC), and why."""
