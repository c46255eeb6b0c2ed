"""What objects need stored, and what is refused.

::

    ObjectError
    ├── ContentMissing      nothing of that content is kept
    ├── NoRoom              the disk is full; nothing was stored
    ├── PreconditionFailed  the key holds something else than the caller thinks
    ├── QuotaExceeded       the project's room is used up
    └── TooLarge            one object may not be so large
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class ObjectError(Exception):
    """Refused; the message tells the caller what to do."""


class ContentMissing(ObjectError):
    """No file holds this content."""


class NoRoom(ObjectError):
    """The disk is full."""


class PreconditionFailed(ObjectError):
    """The key changed meanwhile, or exists already."""


class QuotaExceeded(ObjectError):
    """The project would hold more than it may."""


class TooLarge(ObjectError):
    """The object passes the bound of one."""


@dataclass(frozen=True, slots=True)
class ObjectEntry:
    """One key of a project's bucket."""

    project: int
    key: str
    digest: str
    """SHA-256 of the content, hex."""
    bytes: int
    media_type: str
    changed_at: int
    """Milliseconds since 1970 UTC."""
    changed_by: int
    """Number of the user."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a key has to hold for a change to be made; digests, or ``*`` for any content.

    Source: RFC 9110, section 13.1.
    """

    match: frozenset[str] | None = None
    """It holds one of these; None asks nothing."""
    none_match: frozenset[str] | None = None
    """It holds none of these; None asks nothing."""

    def holds(self, digest: str | None) -> bool:
        """Tell whether a key with this content, None for no key, meets the condition."""
        if self.match is not None and (digest is None or not _named(digest, self.match)):
            return False
        return not (
            self.none_match is not None and digest is not None and _named(digest, self.none_match)
        )


ALWAYS = Condition()


class ObjectKeys(Protocol):
    """Keys of all buckets. A change is durable when its method returns."""

    def put(
        self, entry: ObjectEntry, *, quota: int, condition: Condition = ALWAYS
    ) -> ObjectEntry | None:
        """Create or replace a key; returns what it held before, None when it was new.

        Args:
            entry: As it is to be.
            quota: Bytes that all keys of the project may have together.
            condition: On what the key holds now.

        Raises:
            PreconditionFailed: the condition does not hold.
            QuotaExceeded: nothing was changed.
            Missing: the project is unknown.
            Conflict: the project has too many keys.
        """
        ...

    def get(self, project: int, key: str) -> ObjectEntry | None: ...

    def remove(self, project: int, key: str, condition: Condition = ALWAYS) -> ObjectEntry | None:
        """Remove a key; returns what it held, None when there was none.

        Raises:
            PreconditionFailed: the condition does not hold.
        """
        ...

    def listed(self, project: int, prefix: str, after: str, limit: int) -> Sequence[ObjectEntry]:
        """Return entries by key: those with the prefix, above ``after``."""
        ...

    def used(self, project: int) -> tuple[int, int]:
        """Return how many keys a project has, and how many bytes they hold together."""
        ...

    def usage(self) -> Mapping[int, tuple[int, int]]:
        """Return keys and bytes as `used`, by project; without those that have none."""
        ...

    def holds(self, digest: str) -> bool:
        """Tell whether any key of any project holds this content."""
        ...


def _named(digest: str, tags: frozenset[str]) -> bool:
    return "*" in tags or digest in tags
