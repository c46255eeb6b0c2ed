"""Puts each entry into the chain of the project that it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ciaas.kernel.address import EndpointId
from ciaas.kernel.catalogue import Catalogue
from ciaas.management.monitoring.platform_points import PROJECT as PLATFORM_PROJECT
from ciaas.ports import Point, Project
from security.aaa.accesses import ranges_of_text, told_points
from security.aaa.acts import ACT_OF_KIND
from security.aaa.chain import PLATFORM
from security.ports import Record

_NOBODY = -1
_OF_EACH = ("reads", "purpose", "under", "exact")
"""What a project's part of an entry says as the whole does."""


class ChainedRecord:
    """A record that knows whose chain an entry belongs to.

    An entry is about one project when all points, addresses and things that it names are of that
    project: it stands in the project's chain. One that touched several stands in the platform's,
    without the points, and a short entry with the project's own points in the chain of each. What
    is about no project, such as a sign-in, is the platform's.

    Args:
        record: Where entries go.
        catalogue: Knows whose points and endpoints are.
        projects: Returns all projects.
    """

    def __init__(
        self, record: Record, catalogue: Catalogue, projects: Callable[[], Sequence[Project]]
    ) -> None:
        self._record, self._catalogue, self._projects = record, catalogue, projects
        self._owner: NDArray[np.int64] = np.full(1_024, _NOBODY, np.int64)
        """Project of each point, by number."""
        self._platform: int | None = None
        self._looked = False
        catalogue.on_points(self._learn)
        catalogue.on_changes(lambda _: self._look_again())

    def append(self, entry: Mapping[str, Any]) -> None:
        """Return after the entry is on disk; see `append_all`."""
        self.append_all((entry,))

    def append_all(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Return after the entries are on disk, each in its chain; from any thread.

        Raises:
            OSError: not all could be written.
        """
        self._record.append_all([placed for entry in entries for placed in self._placed(entry)])

    def chain_of_project(self, project: int) -> int:
        """Return the chain of a project; the project of the platform has the platform's."""
        if self._platform is None and not self._looked:
            self._looked = True  # first: a change meanwhile has it looked for again
            found = [one.id for one in self._projects() if one.name == PLATFORM_PROJECT]
            self._platform = found[0] if found else None
        return PLATFORM if project == self._platform else project

    def owners(self, points: ArrayLike) -> NDArray[np.int64]:
        """Return the project of each point by its number, a negative number for nobody's."""
        found: NDArray[np.int64] = self._owner[np.asarray(points, np.int64)]
        return found

    def projects_of(self, points: ArrayLike) -> frozenset[int]:
        """Return whose points of these numbers are."""
        owner, numbers = self._owner, np.asarray(points, np.int64)
        owners = np.unique(owner[numbers[numbers < len(owner)]]).tolist()
        return frozenset(project for project in owners if project != _NOBODY)

    # -- private pieces

    def _look_again(self) -> None:
        """Look for the platform's project once more: a listener of the catalogue."""
        self._looked = False

    def _placed(self, entry: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        entry = dict(entry)
        if (act := ACT_OF_KIND.get(str(entry.get("kind")))) is not None:
            entry.setdefault("act", act.value)
        about = entry.get("about")
        told = about.get("points") if isinstance(about, dict) else None
        parts = self._parts(told) if isinstance(told, str) else {}
        named = {self.chain_of_project(project) for project in entry.pop("projects", ())}
        address = entry.get("address") or (entry.get("who") if _is_device(entry) else None)
        if isinstance(address, str) and (chain := self._of_address(address)) is not None:
            named.add(chain)
        if named and isinstance(about, dict) and not about.get("exact", True):
            # Its ranges hold points that were not touched, of others perhaps.
            parts = {chain: points for chain, points in parts.items() if chain in named}
        chains = named | set(parts)
        if len(chains) <= 1:
            yield {**entry, "chain": next(iter(chains), PLATFORM)}
            return
        whole = {key: value for key, value in (about or {}).items() if key != "points"}
        kept = {key: whole[key] for key in _OF_EACH if key in whole}
        if PLATFORM in parts:
            whole["points"] = told_points(parts[PLATFORM])["points"]
        yield {**entry, "about": whole, "chain": PLATFORM}
        short = {key: value for key, value in entry.items() if key != "query"}
        for chain in sorted(chains - {PLATFORM}):
            points = told_points(parts[chain]) if chain in parts else {}
            yield {**short, "about": {**points, **kept, "part": True}, "chain": chain}

    def _parts(self, told: str) -> dict[int, NDArray[np.int64]]:
        """Return the points of an entry by chain; ranges that close a gap hold whose they are."""
        owner = self._owner
        ranges = ranges_of_text(told)
        spans = [np.arange(first, min(last, len(owner) - 1) + 1) for first, last in ranges]
        points = np.concatenate(spans) if spans else np.empty(0, np.int64)
        owners = owner[points]
        return {
            self.chain_of_project(int(project)): points[owners == project]
            for project in np.unique(owners).tolist()
            if project != _NOBODY
        }

    def _of_address(self, address: str) -> int | None:
        uuid = EndpointId(address.partition("/")[0])
        endpoint = self._catalogue.endpoint(uuid) or self._catalogue.deleted(uuid)
        return None if endpoint is None else self.chain_of_project(endpoint.project)

    def _learn(self, points: Sequence[Point]) -> None:
        """Note whose new points are; a listener of the catalogue."""
        highest = max((point.id for point in points), default=0)
        if highest >= len(self._owner):
            more = max(highest + 1, 2 * len(self._owner)) - len(self._owner)
            self._owner = np.concatenate([self._owner, np.full(more, _NOBODY, np.int64)])
        projects: dict[str, int] = {}
        for point in points:
            uuid = point.address.partition("/")[0]
            if uuid not in projects:
                known = EndpointId(uuid)
                endpoint = self._catalogue.endpoint(known) or self._catalogue.deleted(known)
                projects[uuid] = _NOBODY if endpoint is None else endpoint.project
            self._owner[point.id] = projects[uuid]


def _is_device(entry: Mapping[str, Any]) -> bool:
    """Tell whether the entry is about the device that it names."""
    return entry.get("kind") in ("presence", "refusal")
