"""Where requests to hosts that users named may go: away from what is not theirs.

Source: OWASP Server-Side Request Forgery Prevention Cheat Sheet; address blocks by RFC 6890.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TypeAlias
from urllib.parse import urlsplit

from ciaas.limits import OUTGOING_URL_CHARS_MAX

Address: TypeAlias = IPv4Address | IPv6Address

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
        if (address := literal(host)) is not None:
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


def literal(host: str) -> Address | None:
    """Return the address that a host is written as; odd forms such as 0x7f.1 are none."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def address_of(text: str) -> Address:
    """Return an address as the system wrote it, without the zone of a link.

    Raises:
        ValueError: it is none.
    """
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
