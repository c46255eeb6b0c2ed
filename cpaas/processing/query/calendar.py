"""Intervals and windows of a query: lengths of time, and calendar units of an IANA zone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from ciaas.kernel.sample import Millis
from cpaas.limits import QUERY_WINDOWS_MAX
from cpaas.processing.errors import BadQuery, TooMuch

_DURATION = re.compile(r"([0-9]{1,12})(ms|s|m|h|d|w)")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
CALENDAR = ("day", "week", "month")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_FIRST_YEAR, _LAST_YEAR = 1900, 2200
"""Of what can be asked: every step below computes exactly, and every zone has rules."""


def duration_ms(text: str) -> int:
    """Return the milliseconds of a length of time such as ``15m``.

    Raises:
        ValueError: it is none, or nothing.
    """
    match = _DURATION.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text[:32]!r} is no length of time; write 500ms, 30s, 15m, 1h, 1d or 2w")
    return int(match[1]) * _UNIT_MS[match[2]]


def zone_of(name: str) -> ZoneInfo:
    """Return an IANA time zone.

    Raises:
        BadQuery: there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a name with a slash too many is a path
        raise BadQuery(
            f"zone {name[:64]!r} is no IANA time zone; write one such as Europe/Zurich"
        ) from None


def moment_ms(text: str, zone: ZoneInfo) -> int:
    """Return milliseconds since 1970 UTC of a time; without an offset it is local.

    Of a local time that comes twice the first is meant; one that is skipped is the moment of the
    change.

    Raises:
        BadQuery: it is no time, or outside the years 1900 to 2200.
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise BadQuery(
            f"{text[:64]!r} is no time; write 2026-11-22T14:30 (local) or RFC 3339"
        ) from None
    if not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        raise BadQuery(f"{text[:64]!r} lies outside the years {_FIRST_YEAR} to {_LAST_YEAR}")
    if time.tzinfo is None:
        time = time.replace(tzinfo=zone)
    return _millis(time)


def previous(unit: str, zone: ZoneInfo, now_ms: int) -> tuple[int, int]:
    """Return begin and end of the last whole day, week or month that is over."""
    today = _local(now_ms, zone)
    end = _first_day(today, unit)
    begin = _first_day(end - timedelta(days=1), unit)
    return _midnight(begin, zone), _midnight(end, zone)


def edges(start: int, end: int, window: str | None, zone: ZoneInfo) -> Millis:
    """Return where windows begin, and after the last one the end of the interval.

    Lengths of time are counted from the start on, and the last window is cut by the end. Days,
    weeks (from Monday) and months begin at local midnight, whatever their length; the first and
    the last one are cut by the interval.

    Raises:
        BadQuery: the window is none, or the interval is empty.
        TooMuch: more than QUERY_WINDOWS_MAX windows.
    """
    if end <= start:
        raise BadQuery("the interval is empty: its end must be after its begin")
    if window is None:
        return np.array([start, end], np.int64)
    if window in CALENDAR:
        inner = _calendar(start, end, window, zone)
    else:
        inner = _even(start, end, window)
    return np.unique(np.concatenate([[start], inner, [end]])).astype(np.int64)


def _even(start: int, end: int, window: str) -> Any:
    try:
        width = duration_ms(window)
    except ValueError as error:
        raise BadQuery(f"window: {error}; or {', '.join(CALENDAR)} of the zone") from None
    _check_number(-(-(end - start) // width))
    return np.arange(start, end, width, dtype=np.int64)


def _calendar(start: int, end: int, unit: str, zone: ZoneInfo) -> Any:
    _check_number((end - start) // (28 * 86_400_000 if unit == "month" else 86_400_000))
    begins = []
    day = _next(_first_day(_local(start, zone), unit), unit)
    while (begin := _midnight(day, zone)) < end:
        if begin > start:
            begins.append(begin)
        day = _next(day, unit)
    return np.array(begins, np.int64)


def _check_number(windows: int) -> None:
    if windows > QUERY_WINDOWS_MAX:
        raise TooMuch(
            f"{windows:,} windows; at most {QUERY_WINDOWS_MAX:,}: ask for longer windows or a "
            "shorter time"
        )


def _local(at_ms: int, zone: ZoneInfo) -> date:
    return (_EPOCH + at_ms * _MS).astimezone(zone).date()


def _first_day(day: date, unit: str) -> date:
    if unit == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if unit == "month" else day


def _next(day: date, unit: str) -> date:
    if unit == "month":
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return day + timedelta(days=7 if unit == "week" else 1)


def _midnight(day: date, zone: ZoneInfo) -> int:
    # Where midnight is skipped, fold 0 gives the moment of the change; where it comes twice, the
    # first. Source: PEP 495.
    return _millis(datetime(day.year, day.month, day.day, tzinfo=zone))


def _millis(time: datetime) -> int:
    return (time - _EPOCH) // _MS
