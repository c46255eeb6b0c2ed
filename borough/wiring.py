"""What every role needs to reach the bus: keys, the broker's address, connections."""

from __future__ import annotations

import json
import logging
import ssl
from dataclasses import asdict, dataclass
from typing import Literal

from borough.home import Home, HomeError
from borough.unlock import forget_environment, unlock_here
from ciaas.computing.client_link import ClientLink
from ciaas.computing.link import Dial, Link, WireUnsupported
from ciaas.computing.wire import Credentials, Wire
from security.encryption.keyring import KeyRing, KeyRingError, Role

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BusAddress:
    """Where the broker listens for roles; a loopback port chosen at each start of the platform."""

    host: str
    port: int
    authority: str = ""
    """PEM file of who signed the broker's certificate; empty when roles speak to it in clear."""
    client: Literal["wire", "nats-py"] = "wire"
    """What reads the streams of samples."""

    @property
    def url(self) -> str:
        """Address for NATS clients."""
        return f"{'tls' if self.authority else 'nats'}://{self.host}:{self.port}"

    def tls(self) -> ssl.SSLContext | None:
        """Return what trusts the broker, None when roles speak to it in clear."""
        return ssl.create_default_context(cafile=self.authority) if self.authority else None


def write_bus(home: Home, address: BusAddress) -> None:
    """Tell the roles of this home where the broker listens."""
    path = home.run / "bus.json"
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(address)))
    fresh.replace(path)


def read_bus(home: Home) -> BusAddress:
    """Return where the broker listens.

    Raises:
        HomeError: the platform was never started on this home.
    """
    try:
        return BusAddress(**json.loads((home.run / "bus.json").read_text()))
    except FileNotFoundError:
        raise HomeError("the broker was never started on this home; run: borough up") from None


def create_keys(home: Home) -> KeyRing:
    """Return new keys, written to this home.

    Raises:
        HomeError: they cannot be written.
    """
    try:
        return KeyRing.create(home.keys)
    except KeyRingError as error:
        raise HomeError(str(error)) from error


def complete_keys(home: Home) -> KeyRing:
    """Return the keys of this home, with those added that this version needs and lacks.

    Raises:
        HomeError: they cannot be used, or not be written.
    """
    try:
        return KeyRing.complete(home.keys, unlock_here)
    except KeyRingError as error:
        raise HomeError(str(error)) from error
    finally:
        forget_environment()


def open_keys(home: Home) -> KeyRing:
    """Return the keys of this home; whoever has to give a passphrase is asked for it.

    Raises:
        HomeError: there are none, others could read them, or they do not open.
    """
    try:
        return KeyRing.open(home.keys, unlock_here)
    except KeyRingError as error:
        raise HomeError(str(error)) from error
    finally:
        forget_environment()


def dialler(address: BusAddress, keys: KeyRing, role: Role) -> Dial:
    """Return what makes a new connection to the broker, as a role, for streams of samples.

    Our own reader of the protocol, or nats-py where that is set or our reader cannot speak with
    the server.
    """
    credentials = Credentials(keys.public(role), lambda nonce: keys.sign(role, nonce), role.value)

    def by_client() -> Link:
        return ClientLink(address.url, keys.seed(role), role.value, tls=address.tls())

    def by_wire() -> Link:
        try:
            return Wire(address.host, address.port, credentials, tls=address.tls())
        except WireUnsupported as error:
            log.warning("streams are read by nats-py, at a lower rate: %s", error)
            return by_client()

    return by_wire if address.client == "wire" else by_client
