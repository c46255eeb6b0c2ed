"""Times in queries, read as cloud.iO reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus

from cpaas.access.problems import Problem

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_moment(text: str | None, name: str) -> int | None:
    """Return milliseconds since 1970 UTC; a time without an offset is UTC, None stays None.

    Raises:
        Problem: 400 when the text is no time; ``name`` is the parameter at fault.
    """
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            f"{name}={text!r} is no time; write 2026-11-22T14:30:00 (UTC) or RFC 3339 with its "
            "plus sign as %2B",
        ) from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return round((time - _EPOCH).total_seconds() * 1000)
