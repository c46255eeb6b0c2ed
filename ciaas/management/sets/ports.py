"""What is kept of selections and endpoint groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class SavedSelection:
    """A filter of the directory's language under a name; one project's."""

    id: int
    project: int
    name: str
    revision: int
    """From 1, one more at each change."""
    filter: Mapping[str, Any]
    """The JSON form."""


@dataclass(frozen=True, slots=True)
class SelectionRevision:
    """What a selection was."""

    number: int
    filter: Mapping[str, Any]
    author: int
    """Number of the user."""
    at: int
    """Milliseconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class EndpointGroup:
    """Endpoints under a name; one project's."""

    id: int
    project: int
    name: str


@dataclass(frozen=True, slots=True)
class EndpointMember:
    """An endpoint in a group, or no longer in it."""

    group: int
    endpoint: str
    present: bool = True


@dataclass(frozen=True, slots=True)
class SetChanges:
    """What changed of sets after one version of the registry, up to ``version``."""

    version: int
    selections: Sequence[SavedSelection]
    """New ones and changed ones."""
    selections_removed: Sequence[int]
    members: Sequence[EndpointMember]


class SetStore(Protocol):
    """Selections and endpoint groups, stamped with the registry's version; from any thread."""

    def put_selection(
        self, project: int, name: str, filter: Mapping[str, Any], author: int, revision: int | None
    ) -> SavedSelection:
        """Create or change; the same filter again changes nothing.

        Raises:
            Conflict: ``revision`` is given and another one is there, or a bound is reached.
        """
        ...

    def selections(self, project: int) -> Sequence[SavedSelection]: ...

    def selection(self, project: int, name: str) -> SavedSelection:
        """Raises Missing."""
        ...

    def selection_names(self) -> Mapping[int, str]:
        """Return the names of all selections by their numbers."""
        ...

    def revisions(self, selection: int) -> Sequence[SelectionRevision]:
        """Return those that are kept, newest first."""
        ...

    def remove_selection(self, selection: int) -> None:
        """Remove it with every grant on it; raises Missing."""
        ...

    def add_endpoint_group(self, project: int, name: str) -> EndpointGroup:
        """Return the group of that name, made now unless it was there; raises Conflict."""
        ...

    def endpoint_groups(self, project: int) -> Sequence[EndpointGroup]: ...

    def endpoint_group(self, project: int, name: str) -> EndpointGroup:
        """Raises Missing."""
        ...

    def endpoint_group_names(self) -> Mapping[int, str]:
        """Return the names of all groups by their numbers."""
        ...

    def endpoints_of(self, group: int) -> Sequence[str]:
        """Return the UUIDs in order."""
        ...

    def groups_of(self, endpoint: str) -> Sequence[EndpointGroup]: ...

    def add_endpoint(self, group: int, endpoint: str) -> None:
        """Put an endpoint of the group's project into it; a second time changes nothing.

        Raises:
            Missing: no such group, or no such endpoint in its project.
            Conflict: the group is full.
        """
        ...

    def remove_endpoint(self, group: int, endpoint: str) -> bool:
        """Return False when it was not in the group."""
        ...

    def remove_endpoint_group(self, group: int) -> None:
        """Remove it with every grant on it; raises Missing."""
        ...

    def sets_changed(self, after: int) -> SetChanges:
        """Return what changed since ``after``, in one picture."""
        ...
