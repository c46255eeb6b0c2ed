"""What every role needs to reach the bus: keys, the broker's address, connections."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from borough.home import Home, HomeError
from ciaas.computing.wire import Credentials, Wire
from security.encryption.keyring import KeyRing, KeyRingError, Role


@dataclass(frozen=True, slots=True)
class BusAddress:
    """Where the broker listens for roles; a loopback port chosen at each start of the platform."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Address for NATS clients."""
        return f"nats://{self.host}:{self.port}"


def write_bus(home: Home, address: BusAddress) -> None:
    """Tell the roles of this home where the broker listens."""
    path = home.run / "bus.json"
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"host": address.host, "port": address.port}))
    fresh.replace(path)


def read_bus(home: Home) -> BusAddress:
    """Return where the broker listens.

    Raises:
        HomeError: the platform was never started on this home.
    """
    try:
        content = json.loads((home.run / "bus.json").read_text())
    except FileNotFoundError:
        raise HomeError("the broker was never started on this home; run: borough up") from None
    return BusAddress(content["host"], content["port"])


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
        return KeyRing.complete(home.keys)
    except KeyRingError as error:
        raise HomeError(str(error)) from error


def open_keys(home: Home) -> KeyRing:
    """Return the keys of this home.

    Raises:
        HomeError: there are none, or others could read them.
    """
    try:
        return KeyRing.open(home.keys)
    except KeyRingError as error:
        raise HomeError(str(error)) from error


def dialler(address: BusAddress, keys: KeyRing, role: Role) -> Callable[[], Wire]:
    """Return what makes a new connection to the broker as a role."""
    credentials = Credentials(keys.public(role), lambda nonce: keys.sign(role, nonce), role.value)
    return lambda: Wire(address.host, address.port, credentials)
