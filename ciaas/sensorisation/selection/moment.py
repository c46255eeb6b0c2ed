"""Times as sources write them, as milliseconds since 1970 UTC."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ciaas.limits import HISTORY_TIME_MS_MAX
from ciaas.sensorisation.errors import Malformed

_MILLISECONDS_FROM = 100_000_000_000
"""A number from here on counts milliseconds: as seconds it would lie beyond the year 5000."""


def zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name.

    Raises:
        ValueError: there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no IANA time zone, such as Europe/Berlin") from None


def moment(value: Any, local: ZoneInfo) -> int:
    """Return the time that a value says: ISO 8601, or seconds or milliseconds since 1970 UTC.

    Args:
        value: from the document.
        local: of a text that names no zone.

    Raises:
        Malformed: it says none.
    """
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value.strip())
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                raise Malformed(f"{value!r:.80} is no time") from None
        else:
            if parsed.tzinfo is None:
                parsed = parsed.replace(tzinfo=local)
            return round(parsed.timestamp() * 1_000)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Malformed(f"{value!r:.80} is no time")
    found = round(value if abs(value) >= _MILLISECONDS_FROM else value * 1_000)
    if abs(found) > HISTORY_TIME_MS_MAX:
        raise Malformed(f"{value!r:.80} is no time of this world")
    return found
