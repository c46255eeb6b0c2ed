"""What the mashups may do: each as its own user, and never more than who published it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from borough.roles.rights_feed import RightsFeed
from ciaas.kernel.address import EndpointId
from ciaas.kernel.catalogue import Catalogue
from ciaas.management.directory.index import Index
from ciaas.ports import Missing
from ciaas.storage.registry import Registry
from cpaas.composition.running.engine import Job
from security.aaa.levels import Level


class MashupRights:
    """Rights as of the last `refresh`; for one thread."""

    def __init__(self, registry: Registry):
        """Load everything."""
        self._registry = registry
        self._feed = RightsFeed(registry)
        self._catalogue: Catalogue | None = None
        self._projects: dict[str, str] = {}

    def refresh(self) -> None:
        """Take over what changed. Raises RegistryError."""
        self._feed.refresh()
        if self._catalogue is not None:
            self._catalogue.refresh()
        elif self._feed.rights.uses_sets():
            # All points in memory, as in core: only where somebody grants a class or a selection.
            self._catalogue = Catalogue(self._registry.resources)
            self._feed.tell_sets(Index(self._catalogue), self._catalogue)

    def tide(self) -> int:
        """Return a number that grows whenever an answer may have become another one."""
        return self._feed.rights.tide()

    def blocked(self, job: Job) -> Mapping[str, str]:
        """Return the nodes that have to rest, each with the reason."""
        needs = [
            *((node, source.addresses, Level.READ) for node, source in job.plan.sources.items()),
            *((node, target.addresses, Level.WRITE) for node, target in job.plan.targets.items()),
        ]
        identity = self._registry.mashups.mashup(job.uuid).identity
        assert identity is not None, "a version in force has an identity"
        found = {}
        for node, addresses, need in needs:
            paths = [self._path(address) for address in addresses]
            for user, whose in ((identity, "the mashup"), (job.version.publisher, "its publisher")):
                if reason := self._refusal(user, whose, addresses, paths, need):
                    found[node] = reason
                    break
        return found

    def _refusal(
        self,
        user: int,
        whose: str,
        addresses: Sequence[str],
        paths: Sequence[tuple[str, ...]],
        need: Level,
    ) -> str:
        held = self._feed.rights.visible(user, paths, need)
        lost = [address for address, may in zip(addresses, held.tolist(), strict=True) if not may]
        if not lost:
            return ""
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        return (
            f"{whose} has no {need.name} on {lost[0]}{more} any more; grant it again, or have "
            "somebody publish who may"
        )

    def _path(self, address: str) -> tuple[str, ...]:
        endpoint = address.partition("/")[0]
        if endpoint not in self._projects:
            try:
                project = self._registry.resources.endpoint(EndpointId(endpoint)).project
            except Missing:
                return ("", *address.split("/"))  # deleted: no path of a project
            self._projects[endpoint] = str(project)
        return (self._projects[endpoint], *address.split("/"))
