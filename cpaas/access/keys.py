"""What the routes of keys act on: the key ring of the platform and the named keys of projects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from security.encryption.named.named_keys import NamedKeys


class Ring(Protocol):
    """The key ring, and how far its secrets are wrapped under the newest version."""

    def status(self) -> Mapping[str, Any]:
        """Return the versions, by what the ring opens, and the progress of the re-wrap."""
        ...

    def rotate(self) -> Mapping[str, Any]:
        """Make a new version and begin to re-wrap; returns the status.

        Raises:
            Conflict: there are as many versions as there may be.
            DiskFull: the key file cannot be written.
        """
        ...

    def forget(self, version: int) -> Mapping[str, Any]:
        """Destroy a version under which nothing lies any more; returns the status.

        Raises:
            Missing: there is no such version.
            Conflict: it is in use, or a re-wrap is not done yet.
            DiskFull: the key file cannot be written.
        """
        ...


class DataSubjectEntry(NamedTuple):
    """A data subject, without its key."""

    project: int
    name: str
    created_at: int
    """Milliseconds since 1970 UTC."""
    erased_at: int | None


class Subjects(Protocol):
    """The data subjects under whose keys values of confidential points lie."""

    def declare(self, project: int, name: str) -> None:
        """Make sure that a data subject has a key, before an overlay names it.

        Raises:
            Conflict: its data were erased, or there are too many data subjects.
            DiskFull: its key cannot be written.
        """
        ...

    def listed(self, projects: Sequence[int]) -> Sequence[DataSubjectEntry]:
        """Return the data subjects of some projects, by project and name."""
        ...

    def erase(self, project: int, name: str) -> None:
        """Destroy a data subject's key: its values are gone, and none are taken any more.

        Raises:
            Missing: there is no such data subject.
            DiskFull: the erasure cannot be written; nothing was changed.
        """
        ...

    def refusal(self, point: int) -> str | None:
        """Return why no sample of a point is taken, None when they are."""
        ...

    def refusal_at(self, project: int, levels: Sequence[str]) -> str | None:
        """Return why no sample is taken at an address without a point yet, None when they are."""
        ...


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of the platform, of projects and of data subjects."""

    ring: Ring
    named: NamedKeys
    subjects: Subjects
