"""What core answers searches with."""

from __future__ import annotations

from borough.roles.attendance import READ_FRESH_MS
from borough.roles.rights_feed import RightsFeed
from ciaas.computing.admission.ports import Refusal, RefusalKind
from ciaas.kernel.catalogue import Catalogue
from ciaas.management.directory.changes import ChangeFeed
from ciaas.management.directory.desk import DirectoryDesk
from ciaas.management.directory.directory import Directory
from ciaas.management.directory.doorstep import Doorstep
from ciaas.management.directory.ports import Attendance
from ciaas.ports import Clock, HistoryStore
from ciaas.sensorisation.sighting import SightingBoard
from ciaas.storage.registry import Registry
from cpaas.access.entitlements import Entitlements


class Finding:
    """The directory, and who tells it of what is no endpoint yet."""

    def __init__(
        self,
        catalogue: Catalogue,
        history: HistoryStore,
        registry: Registry,
        rights: RightsFeed,
        attendance: Attendance,
        clock: Clock,
    ) -> None:
        """Build the parts; the index is filled by the first question, or by `warm_up`."""
        resources = registry.resources
        self.directory = Directory.over(
            catalogue,
            history,
            rights.rights,
            attendance,
            clock,
            projects=resources.projects,
            read_fresh_ms=READ_FRESH_MS,
            expiring=lambda: registry.certificates.expiring(clock.now_ms()),
        )
        membership = rights.tell_sets(self.directory.index, catalogue)
        self.entitlements = Entitlements(registry.permits, registry.sets, membership)
        self.board = SightingBoard(resources.connections, clock.now_ms)
        self._doorstep = Doorstep()
        changes = ChangeFeed(registry.journal, catalogue, self.directory, rights.rights)
        self.desk = DirectoryDesk(self.directory, self.board, self._doorstep, changes)

    def warm_up(self) -> None:
        """Fill the index; takes seconds where there are a million points, so in another thread."""
        self.directory.index.refresh()

    def refused(self, refusal: Refusal) -> None:
        """Take over what the broker refused; returns at once."""
        if refusal.kind is RefusalKind.CONNECT:
            self._doorstep.refused(refusal.client, refusal.reason, refusal.detail, refusal.at)
