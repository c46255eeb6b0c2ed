"""What is kept of profiles and batches. Times are milliseconds since 1970 UTC."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from ciaas.management.enrolment.profile import Template


@dataclass(frozen=True, slots=True)
class Profile:
    """What devices of one kind have in common; one project's."""

    id: int
    project: int
    name: str
    revision: int
    """From 1, one more at each change."""
    document: Mapping[str, Any]


class Progress(StrEnum):
    """Where a batch is."""

    RUNNING = "running"
    HALTED = "halted"
    """Something has to be put right by a person; nothing done is undone."""
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Batch:
    """One sheet of devices being enrolled."""

    id: str
    project: int
    user: int
    """Number of who made it, and who alone gets its tokens."""
    profile: str
    revision: int
    """Of the profile, as which it was checked."""
    document: Mapping[str, Any]
    """The profile as it was then: a later change of it does not reach a batch under way."""
    rows: int
    created_at: int
    done: int = 0
    progress: Progress = Progress.RUNNING
    detail: str = ""
    """Why it halted, and what to do."""
    sealed: str | None = None
    """What its tokens are derived from; None once they were handed out."""
    ended_at: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One device of a batch."""

    line: int
    """Of the sheet; its header is line 1."""
    serial: str
    endpoint: str
    """UUID, drawn when the batch is made, so that doing a row twice is impossible."""
    friendly_name: str
    kind: str | None
    """Name of its class in the profile; None for a device that declares itself."""
    metadata: Mapping[str, Any]
    overlay: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DeviceInterval:
    """A device behind an endpoint, from when to when."""

    serial: str
    since: int
    until: int | None
    """None while it is."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A token that is about to be good for an endpoint."""

    digest: str
    expires_at: int


class EnrolmentStore(Protocol):
    """Profiles and batches; each method is durable when it returns, and for any thread."""

    def put_profile(
        self, project: int, name: str, document: Mapping[str, Any], revision: int | None
    ) -> Profile:
        """Create or change; the same document again changes nothing.

        Raises:
            Conflict: ``revision`` is given and another one is there, or a bound is reached.
        """
        ...

    def profiles(self, project: int) -> Sequence[Profile]: ...

    def profile(self, project: int, name: str) -> Profile:
        """Raises Missing."""
        ...

    def remove_profile(self, profile: int) -> None:
        """Remove it; batches that began with it go on."""
        ...

    def bound(self, project: int, serials: Collection[str]) -> Collection[str]:
        """Return those serial numbers that a device of the project has."""
        ...

    def add(self, batch: Batch, rows: Sequence[Row]) -> None:
        """Keep a batch with its rows, and its serial numbers for it, in one transaction.

        Raises:
            Conflict: a serial number is taken, or a bound or quota is reached.
        """
        ...

    def batch(self, batch: str) -> Batch | None: ...

    def batches(self, project: int) -> Sequence[Batch]:
        """Return those of a project, newest first."""
        ...

    def next_running(self) -> Batch | None:
        """Return the oldest batch under way."""
        ...

    def left(self, batch: str, limit: int) -> Sequence[Row]:
        """Return rows that are not done, by line."""
        ...

    def enrol(
        self,
        batch: Batch,
        template: Template,
        rows: Sequence[Row],
        tokens: Sequence[Pending],
        at: int,
    ) -> None:
        """Make the rows' endpoints, with all that the profile says, in one transaction.

        Raises:
            Conflict, Missing: a bound or quota is reached, or what the profile names is gone.
        """
        ...

    def end(self, batch: str, progress: Progress, detail: str, at: int | None) -> None:
        """Note that a batch is done, halted, or running again."""
        ...

    def rows(self, batch: str) -> Sequence[Row]:
        """Return all, by line."""
        ...

    def devices(self, endpoint: str) -> Sequence[DeviceInterval]:
        """Return the devices that are or were behind an endpoint, oldest first."""
        ...

    def replace(
        self, endpoint: str, serial: str, token: Pending, properties: Mapping[str, str], at: int
    ) -> int:
        """Put another device behind an endpoint, whose certificates so far are denied.

        The properties go into its bundle.

        Returns:
            How many were in force.

        Raises:
            Missing: the endpoint is unknown or deleted.
            Conflict: another endpoint of the project has a device of this serial number, or the
                properties are too large.
        """
        ...

    def take_seal(self, batch: str) -> bool:
        """Forget what the tokens are derived from; False when it was forgotten already."""
        ...
