"""What the downlink needs from outside: a store for commands, and ways to the devices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ciaas.kernel.address import PointAddress
from ciaas.kernel.downlink.command import Command, Rung, Step
from ciaas.kernel.model import Value
from ciaas.ports import Endpoint, Point


@dataclass(frozen=True, slots=True)
class NewCommand:
    """A command about to be recorded."""

    id: str
    project: int
    point: int
    address: PointAddress
    user: int
    value: Value
    stamp: int
    expires_at: int
    steps: Sequence[Step]
    key: str | None = None
    """The caller's idempotency key, unique per user; None when the caller gave none."""
    digest: str = ""
    """Of what was asked for under that key."""


@dataclass(frozen=True, slots=True)
class Climb:
    """One step of one command."""

    number: int
    step: Step


@dataclass(frozen=True, slots=True)
class Reached:
    """A rung that a command reached, as those who follow commands are told."""

    number: int
    """In the order of all rungs of all commands; rises, without a gap."""
    command: str
    point: int
    address: PointAddress
    value: Value
    step: Step


@dataclass(frozen=True, slots=True)
class Latest:
    """What is known of the newest commands of a point; None when there is nothing."""

    stamp: int | None
    sent_at: int | None


class CommandStore(Protocol):
    """Commands with their rungs. Any thread may call; each change is durable when it returns."""

    def add(self, new: NewCommand, others: Sequence[Climb] = ()) -> Command:
        """Record a command with its first steps, and steps of others, in one transaction.

        Raises:
            Conflict: the user's key is taken.
        """
        ...

    def climb(self, climbs: Sequence[Climb]) -> None:
        """Record steps in their order, all or none.

        Raises:
            Conflict: a command has ended, or the rung does not follow on its last one.
        """
        ...

    def command(self, id_: str) -> Command:
        """Raises Missing."""
        ...

    def by_key(self, user: int, key: str) -> tuple[Command, str] | None:
        """Return the command of a user's idempotency key and the digest given with it."""
        ...

    def open(self) -> Sequence[Command]:
        """Return the commands that have not ended, oldest first."""
        ...

    def listed(
        self,
        *,
        project: int | None = None,
        prefix: Sequence[str] = (),
        states: Collection[Rung] = (),
        before: int | None = None,
        limit: int,
    ) -> Sequence[Command]:
        """Return commands newest first: of one project or all, below a prefix, in these states.

        Args:
            project: None for all.
            prefix: levels of an address; empty for all.
            states: empty for all.
            before: numbers below it only.
            limit: at most so many.
        """
        ...

    def latest(self, point: int) -> Latest:
        """Return when commands of a point were stamped and sent last."""
        ...

    def last_rung(self) -> int:
        """Return the number of the newest rung, 0 when there is none."""
        ...

    def rungs(self, after: int, limit: int) -> Sequence[Reached]:
        """Return the next rungs of all commands after a number, in their order."""
        ...

    def rungs_kept(self, after: int) -> bool:
        """Tell whether every rung after a number is still kept: old commands are removed."""
        ...


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a courier carries."""

    command: Command
    point: Point
    endpoint: Endpoint
    value: Value
    """In the unit of the device."""
    overlay: Mapping[str, Any]
    until: int
    """When an answer is no longer waited for (ms, UTC)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of carrying it: the rung reached, QUEUED when nothing has left.

    SENT says that it left and why no more is known; a sample may still confirm it.
    """

    rung: Rung
    who: str
    why: str = ""


class Courier(Protocol):
    """A way to devices. Methods are called by the downlink's thread and return at once."""

    @property
    def stamped(self) -> bool:
        """True when devices are told the stamp: they confirm with it, and ignore a repetition."""
        ...

    def ready(self, endpoint: Endpoint) -> bool:
        """Tell whether something sent now would reach the device."""
        ...

    def send(self, parcel: Parcel, answered: Callable[[Answer], None]) -> None:
        """Send; ``answered`` is told once or more often, from any thread, of how far it came.

        A way whose answers come as samples tells nothing but that nothing has left.
        """
        ...
