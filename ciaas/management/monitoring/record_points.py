"""What is known of the record's writing, as a point of the platform with an alarm."""

from __future__ import annotations

from collections.abc import Iterator

from ciaas.management.monitoring.platform_points import RECORD_OUTAGE, STORES, Measure


def record_measures(outage: bool) -> Iterator[Measure]:
    """Yield 1 while accesses cannot be recorded, or could not a moment ago, else 0."""
    yield Measure(STORES, "record/writing/outage", RECORD_OUTAGE, float(outage))
