"""The parts of processing that the API reaches."""

from __future__ import annotations

from dataclasses import dataclass

from cpaas.processing.jobs.jobs import Jobs
from cpaas.processing.objects.buckets import Buckets
from cpaas.processing.query.queries import Queries
from cpaas.processing.turns import Turns


@dataclass(frozen=True, slots=True)
class Processing:
    """City Data Processing."""

    queries: Queries
    turns: Turns
    """Of queries that the API answers."""
    reads: Turns
    """Of series read from history."""
    buckets: Buckets
    uploads: Turns
    """Of objects on their way in."""
    jobs: Jobs
