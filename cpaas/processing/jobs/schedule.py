"""When a job is due: cron times of an IANA zone, or a regular interval."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from cpaas.processing.errors import BadQuery
from cpaas.processing.query.calendar import zone_of

_CRON_FIELDS = ("minute", "hour", "day", "month", "day_of_week")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_NUMBER = re.compile(r"(?<![/\d])[0-7](?!\d)")


def trigger(cron: str | None, every_ms: int | None, zone: str, created_ms: int) -> Any:
    """Return APScheduler's trigger.

    Args:
        cron: Five fields, or None.
        every_ms: Milliseconds between two times, or None.
        zone: IANA name.
        created_ms: What intervals are counted from, UTC.

    Raises:
        ValueError: the cron text or the zone is none.
    """
    try:
        place = zone_of(zone)
    except BadQuery as error:
        raise ValueError(str(error)) from None
    if every_ms is not None:
        begin = datetime.fromtimestamp(created_ms / 1000, UTC)
        return IntervalTrigger(seconds=every_ms / 1000, start_date=begin, timezone=UTC)
    fields = (cron or "").split()
    if len(fields) != len(_CRON_FIELDS):
        raise ValueError(f"cron {cron!r} has not five fields; write 0 6 * * 1-5 or the like")
    # The library counts days of the week from Monday, cron from Sunday: they are told by name.
    fields[4] = _DAY_NUMBER.sub(lambda number: _DAYS[int(number[0])], fields[4].lower())
    try:
        return CronTrigger(**dict(zip(_CRON_FIELDS, fields, strict=True)), timezone=place)
    except ValueError as error:
        raise ValueError(f"cron {cron!r}: {error}") from None


def next_ms(trigger: Any, after_ms: int) -> int | None:
    """Return the first time after a moment, None when there is none."""
    after = datetime.fromtimestamp(after_ms / 1000, UTC) + timedelta(milliseconds=1)
    found = trigger.get_next_fire_time(None, after)
    return None if found is None else round(found.timestamp() * 1000)
