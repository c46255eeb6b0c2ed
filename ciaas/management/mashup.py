"""Mashups as they are kept: a draft that changes, and versions that never do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from ciaas.kernel.address import EndpointId
from security.aaa.levels import Level


class MashupState(StrEnum):
    """Whether a mashup is to run."""

    DRAFT = "draft"
    """Never published."""
    RUNNING = "running"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Mashup:
    """One mashup. Its UUID is also that of the endpoint that holds its virtual points."""

    uuid: EndpointId
    project: int
    name: str
    state: MashupState
    draft: Mapping[str, Any]
    """The document that people work on."""
    revision: int
    """Raised by one at each change of the draft."""
    version: int | None
    """The published version; None before the first."""
    identity: int | None
    """User that it acts as; None before it was published."""
    created_at: int
    """Milliseconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class MashupVersion:
    """What was published once."""

    mashup: EndpointId
    number: int
    """Counted from 1."""
    document: Mapping[str, Any]
    plan: Mapping[str, Any]
    note: str
    """What its publisher said of it."""
    publisher: int
    """User whose rights bound those of the version."""
    published_at: int


class ToRun(NamedTuple):
    """The version of a mashup that is to run."""

    number: int
    since: int
    """When it was published, or resumed: what came before is not its business (ms, UTC)."""


class MashupStore(Protocol):
    """Mashups of one registry; each change is durable when its method returns."""

    def create(self, project: int, draft: Mapping[str, Any]) -> Mashup:
        """Keep a first draft; its ``name`` is the mashup's. Raises Conflict at the bound."""
        ...

    def mashup(self, uuid: str) -> Mashup:
        """Raises Missing for an unknown or deleted mashup."""
        ...

    def mashups(self) -> Sequence[Mashup]:
        """Return all that are not deleted, oldest first."""
        ...

    def change_draft(self, uuid: str, draft: Mapping[str, Any], revision: int | None) -> Mashup:
        """Replace the draft.

        Raises:
            Conflict: ``revision`` is given and another one is there by now.
        """
        ...

    def publish(
        self,
        uuid: str,
        document: Mapping[str, Any],
        plan: Mapping[str, Any],
        publisher: int,
        note: str,
        rights: Mapping[tuple[str, ...], Level],
    ) -> MashupVersion:
        """Keep a version, let it run, and give the mashup's identity exactly these rights.

        Args:
            uuid: of the mashup.
            document: what is published.
            plan: what was looked up for it.
            publisher: user who answers for it.
            note: in the publisher's words, may be empty.
            rights: level by path, as in `security.ports.Grant`.
        """
        ...

    def set_state(self, uuid: str, state: MashupState) -> Mashup:
        """Let a published mashup run or rest; Conflict when it was never published."""
        ...

    def versions(self, uuid: str) -> Sequence[MashupVersion]:
        """Return the versions, newest first."""
        ...

    def version(self, uuid: str, number: int) -> MashupVersion:
        """Raises Missing."""
        ...

    def in_force(self) -> Mapping[str, ToRun]:
        """Return the mashups that are to run."""
        ...

    def delete(self, uuid: str) -> None:
        """Take it away with its identity's rights; its versions and its endpoint stay."""
        ...
