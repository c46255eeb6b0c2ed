"""City Data Processing as core builds it."""

from __future__ import annotations

from pathlib import Path

from ciaas.kernel.catalogue import Catalogue
from ciaas.ports import Clock, HistoryStore
from ciaas.storage.objects import Contents
from ciaas.storage.registry import Registry
from cpaas.limits import (
    HISTORY_READS_AT_ONCE,
    HISTORY_READS_WAITING_MAX,
    OBJECT_UPLOADS_AT_ONCE,
    OBJECT_UPLOADS_WAITING_MAX,
)
from cpaas.processing.jobs.jobs import Jobs
from cpaas.processing.jobs.runner import Runner
from cpaas.processing.objects.buckets import Buckets
from cpaas.processing.processing import Processing
from cpaas.processing.query.queries import Queries, Spending
from cpaas.processing.query.selection import Chooser, Finder
from cpaas.processing.turns import Turns
from security.aaa.rights import Rights
from security.ports import Record


def build_processing(
    registry: Registry,
    catalogue: Catalogue,
    history: HistoryStore,
    rights: Rights,
    directory: Finder,
    clock: Clock,
    objects: Path,
    quota: int,
    record: Record,
    spending: Spending,
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
        record: Takes an entry for each run of a job.
        spending: Counts the time that queries take.
    """
    chooser = Chooser(catalogue, registry.resources, rights, directory)
    queries = Queries(chooser, history, clock, spending)
    buckets = Buckets(Contents(objects), registry.objects, clock, quota)
    by_number = registry.accounts.user_by_id
    runner = Runner(registry.jobs, queries, buckets, rights, record, clock, by_number)
    return Processing(
        queries=queries,
        turns=Turns(),
        reads=Turns(HISTORY_READS_AT_ONCE, HISTORY_READS_WAITING_MAX),
        buckets=buckets,
        uploads=Turns(OBJECT_UPLOADS_AT_ONCE, OBJECT_UPLOADS_WAITING_MAX),
        jobs=Jobs(runner),
    )
