"""The adapter contract, kinds Poll and Subscribe: what the author of an adapter writes.

The runtime owns loops, backoff, isolation of illegal addresses, decoding, deadbands, buffering and
health. An adapter has no state of its own: `open` gives a session, which holds the connection.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import (
    Any,
    ClassVar,
    Generic,
    NamedTuple,
    Protocol,
    TypeAlias,
    TypeVar,
    runtime_checkable,
)

from pydantic import BaseModel, ConfigDict

from ciaas.computing.reach import Reach
from ciaas.sensorisation.errors import AdapterError
from ciaas.sensorisation.secrets import NO_SECRETS, Secrets

RawValue: TypeAlias = bytes | bool | int | float | str
"""Bytes as on the wire, most significant first, or one bit; a number, a truth or a text as it
stands in a document of a protocol that has such."""


class Masked(NamedTuple):
    """What is written to a part of a register: bits of ``mask`` become those of ``value``.

    All others stay as they are. Both are as long as the target, in the order of the wire.
    """

    value: bytes
    mask: bytes


WrittenValue: TypeAlias = RawValue | Masked
"""What is written; Masked comes for a point with ``bit`` or ``mask``, its bits in one register."""


class Nothing:
    """The type of `NOTHING`."""

    def __repr__(self) -> str:
        return "NOTHING"


NOTHING = Nothing()
"""What a document holds where its author says that there is no value, as JSON's null."""

WRITTEN = -1
"""Size of a target whose value stands in a document: the raw types number, text and boolean."""


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
    """Bytes that the point's raw type takes; 0 asks for a single bit, WRITTEN for a value as it
    stands in a document."""


class RawReading(NamedTuple):
    """What came back for one target: a value, or the error that concerns this target alone."""

    target: Target
    value: RawValue | Nothing | None
    """None only beside an error."""
    error: AdapterError | None = None
    observed: int | None = None
    """When the source says that it was measured, in milliseconds since 1970 UTC; None: now. A
    reading of the same time and value as the last one is no new sample."""
    retained: bool = False
    """Kept by somebody in between, it is not known since when: no new sample unless it differs from
    the last one."""


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


@dataclass(frozen=True, slots=True)
class WriteContext:
    """Why something is written."""

    command: str
    """Id of the command; the same id never asks for something else."""
    deadline_s: float
    """Seconds after which nobody waits for the answer."""
    who: str
    """Name of the user."""


class WriteResult(NamedTuple):
    """What the device said to a write."""

    accepted: bool
    """True when it said yes; False when the protocol has no such answer."""
    detail: str = ""


@runtime_checkable
class Writing(Protocol):
    """A session or channel that also writes. The runtime makes one call at a time."""

    async def write(self, batch: Batch, value: WrittenValue, context: WriteContext) -> WriteResult:
        """Write one value to the one target of the batch, once.

        Whether it can be read back afterwards is the runtime's to find out.

        Raises:
            Unsent: nothing has left.
            Rejected: the device said no.
            RateLimited: it was busy and did nothing.
            AdapterError: it is not known what the device did.
        """
        ...


@runtime_checkable
class Asking(Protocol):
    """A channel by which a device can be made to say what it has."""

    async def ask(self, batch: Batch) -> None:
        """Ask; the answer comes by itself. Does nothing where this device cannot be asked.

        Raises:
            AdapterError: it was not asked.
        """
        ...


class Sink(Protocol):
    """Where a session of the kind Subscribe puts what comes for one device. Never waits."""

    def readings(
        self, readings: Sequence[RawReading], stored: Callable[[], None] | None = None
    ) -> None:
        """Take readings; ``stored`` is called once they are on disk, or given up and counted."""
        ...

    def absent(self, reason: str) -> None:
        """Take notice that the device is away, as its gateway says: its points have no value."""
        ...

    def present(self) -> None:
        """Take notice that the device is there again."""
        ...


@dataclass(frozen=True, slots=True)
class SuggestedPoint:
    """A data point that an adapter saw: what a profile could say of it."""

    id: str
    """``node/object/attribute`` made of valid names."""
    address: Any
    """As in a profile; JSON."""
    raw: str
    """Raw type: ``number``, ``text`` or ``boolean``."""
    unit: str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """A device that an adapter saw on a connection, whether enrolled or not."""

    external_id: str
    """The name that it has in its own world; foreign text, shown and never used as a name."""
    title: str
    config: Any
    """What a device's ``config`` would say; JSON."""
    points: tuple[SuggestedPoint, ...]
    last_seen: int
    """Milliseconds since 1970 UTC."""


class Channel(Protocol):
    """An open connection on which values come by themselves. The runtime makes one call at a time.

    After each `open` the runtime subscribes every device and calls `resync` once; until then
    nothing may be given to a sink, and nothing that came already may be lost.
    """

    async def subscribe(self, batches: Sequence[Batch], sink: Sink) -> None:
        """Have the values of one device brought to its sink from the next `resync` on."""
        ...

    async def unsubscribe(self, sink: Sink) -> None:
        """Forget a device; its sink hears nothing more."""
        ...

    async def resync(self) -> None:
        """Let values flow, those first that hold now.

        What the other side refuses goes to its sink as a reading with the error BadAddress.

        Raises:
            AdapterError: the connection is of no use.
        """
        ...

    async def heartbeat(self) -> None:
        """Return once the other side has shown that it is there, so that silence is no death.

        Raises:
            AdapterError: it has not, or the connection broke.
        """
        ...

    async def close(self) -> None:
        """End the connection; may be called twice, and after a cancelled call."""
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


@dataclass(frozen=True, slots=True)
class Means:
    """What adapters are given to work with."""

    secrets: Secrets = NO_SECRETS
    reach: Reach = field(default_factory=Reach)
    """Where HTTP may lead."""
    tls: SSLContext | None = None
    """Whom to trust over HTTP; None trusts the authorities of this machine."""


NO_MEANS = Means()
"""No secret, and public addresses alone."""


class Adapter(ABC, Generic[ConfigT, AddressT]):
    """One legacy protocol: what both kinds have. Instances are cheap and made by the runtime."""

    Config: ClassVar[type[Checked]]
    """How to reach a device; its JSON Schema makes the form. A device's own config overrides keys
    of its connection's."""
    Address: ClassVar[type[Checked]]
    """Where a point lies in a device."""
    DEVICE_KEYS: ClassVar[frozenset[str]] = frozenset()
    """Keys of ``Config`` that only tell devices on one link apart: devices that agree in all other
    keys share one session."""

    def __init__(self, means: Means = NO_MEANS) -> None:
        self.means = means

    @abstractmethod
    def plan(self, config: ConfigT, targets: Sequence[Target]) -> Sequence[Batch]:
        """Group targets into as few requests, or subscriptions, as the protocol allows; pure.

        Raises:
            ValueError: a target can never be read; the message says what is wrong with it.
        """

    @abstractmethod
    async def probe(self, config: ConfigT) -> ProbeReport:
        """Try once, without side effects, and say how far it got; never raises AdapterError."""

    def check_write(self, config: ConfigT, target: Target) -> None:
        """Make sure that a target can be written; by default none can.

        Raises:
            ValueError: it can never be; the message says what is wrong with it.
        """
        raise ValueError("this adapter reads only: write direction: r")

    def external_id(self, config: ConfigT) -> str | None:
        """Return what a `Sighting` of this device is called; None when there are none."""
        return None


class Poll(Adapter[ConfigT, AddressT]):
    """The kind that is asked: each device at its own interval, one request at a time on a link."""

    @abstractmethod
    async def open(self, config: ConfigT) -> Session:
        """Connect.

        Raises:
            AdapterError: Unreachable, AuthFailed or DriverMissing.
        """


class Subscribe(Adapter[ConfigT, AddressT]):
    """The kind that is told: values come when they come."""

    @abstractmethod
    async def open(self, config: ConfigT) -> Channel:
        """Connect.

        Raises:
            AdapterError: Unreachable, AuthFailed or DriverMissing.
        """


@runtime_checkable
class Observant(Protocol):
    """A session or channel that also sees devices which nobody asked for."""

    def sightings(self) -> Sequence[Sighting]:
        """Return what was seen lately; bounded by SIGHTINGS_PER_LINK_MAX."""
        ...


AnyAdapter: TypeAlias = Adapter[Any, Any]
