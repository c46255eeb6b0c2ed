"""The adapter contract, kind Poll: what the author of an adapter writes, and nothing else.

The runtime owns loops, backoff, isolation of illegal addresses, decoding, deadbands, buffering and
health. An adapter has no state of its own: `open` gives a `Session`, which holds the connection.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict

from ciaas.sensorisation.errors import AdapterError

RawValue: TypeAlias = bytes | bool
"""Bytes as on the wire, most significant first, or one bit."""


class Checked(BaseModel):
    """A part of a document: unknown keys are refused, and it can be a key of a dict."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


ConfigT = TypeVar("ConfigT", bound=Checked)
AddressT = TypeVar("AddressT", bound=Checked)


class Target(NamedTuple):
    """What is to be read: an address of the adapter, and how much lies there."""

    address: Any
    """An instance of the adapter's ``Address``."""
    size: int
    """Bytes that the point's raw type takes; 0 asks for a single bit."""


class RawReading(NamedTuple):
    """What came back for one target: a value, or the error that concerns this target alone."""

    target: Target
    value: RawValue | None
    error: AdapterError | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """One request of the protocol. ``targets`` are in the order of their addresses."""

    targets: tuple[Target, ...]
    request: Any
    """What the adapter's session needs to send it; the runtime never looks inside."""


class Session(Protocol):
    """An open connection. The runtime makes one call at a time."""

    async def read(self, batch: Batch) -> Sequence[RawReading]:
        """Read one batch; every target gets a reading, or an error of its own.

        Raises:
            AdapterError: nothing of the batch could be read.
        """
        ...

    async def close(self) -> None:
        """End the connection; may be called twice, and after a cancelled read."""
        ...


class ProbeStep(NamedTuple):
    """One thing tried, such as ``dns``, ``tcp``, ``protocol`` or ``identity``."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """How far a connection gets. ``next_step`` tells what to do, empty when all is well."""

    steps: tuple[ProbeStep, ...]
    next_step: str = ""

    @property
    def ok(self) -> bool:
        """True when the device answered in its protocol."""
        return bool(self.steps) and all(step.ok for step in self.steps)


class Adapter(ABC, Generic[ConfigT, AddressT]):
    """One legacy protocol, polled. Instances are cheap, stateless and made by the runtime."""

    Config: ClassVar[type[Checked]]
    """How to reach a device; its JSON Schema makes the form. A device's own config overrides keys
    of its connection's."""
    Address: ClassVar[type[Checked]]
    """Where a point lies in a device."""
    DEVICE_KEYS: ClassVar[frozenset[str]] = frozenset()
    """Keys of ``Config`` that only tell devices on one link apart: devices that agree in all other
    keys share one session, one request at a time."""

    @abstractmethod
    def plan(self, config: ConfigT, targets: Sequence[Target]) -> Sequence[Batch]:
        """Group targets into as few requests as the protocol allows; pure.

        Raises:
            ValueError: a target can never be read; the message says what is wrong with it.
        """

    @abstractmethod
    async def open(self, config: ConfigT) -> Session:
        """Connect.

        Raises:
            AdapterError: Unreachable, AuthFailed or DriverMissing.
        """

    @abstractmethod
    async def probe(self, config: ConfigT) -> ProbeReport:
        """Try once, without side effects, and say how far it got; never raises AdapterError."""


AnyAdapter: TypeAlias = Adapter[Any, Any]
