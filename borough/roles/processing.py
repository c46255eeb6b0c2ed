"""City Data Processing as core builds it."""

from __future__ import annotations

from pathlib import Path

from ciaas.kernel.catalogue import Catalogue
from ciaas.ports import Clock, HistoryStore
from ciaas.storage.objects import Contents
from ciaas.storage.registry import Registry
from cpaas.limits import OBJECT_UPLOADS_AT_ONCE, OBJECT_UPLOADS_WAITING_MAX
from cpaas.processing.objects.buckets import Buckets
from cpaas.processing.processing import Processing
from cpaas.processing.query.queries import Queries
from cpaas.processing.query.selection import Chooser, Finder
from cpaas.processing.turns import Turns
from security.aaa.rights import Rights


def build_processing(
    registry: Registry,
    catalogue: Catalogue,
    history: HistoryStore,
    rights: Rights,
    directory: Finder,
    clock: Clock,
    objects: Path,
    quota: int,
) -> Processing:
    """Return the parts over one open registry and history.

    Args:
        registry: Keeps keys and jobs.
        catalogue: The points there are.
        history: Answers queries.
        rights: Asked at each query.
        directory: Resolves filters.
        clock: The time that intervals end at.
        objects: Folder of the contents of objects.
        quota: Bytes that a project's objects may have together.
    """
    chooser = Chooser(catalogue, registry.resources, rights, directory)
    return Processing(
        queries=Queries(chooser, history, clock),
        turns=Turns(),
        buckets=Buckets(Contents(objects), registry.objects, clock, quota),
        uploads=Turns(OBJECT_UPLOADS_AT_ONCE, OBJECT_UPLOADS_WAITING_MAX),
    )
