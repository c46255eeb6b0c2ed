"""What a device wrote about itself: its log, and the output of its jobs."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response

from ciaas.kernel.wire.journal import LogLevel
from ciaas.ports import OUTPUT_LEVEL, JournalLine
from cpaas.access.answers.documents import as_json, rfc3339
from cpaas.access.caller import Reader
from cpaas.access.moments import read_moment
from cpaas.limits import LIST_MAX
from security.aaa.levels import Level

router = APIRouter(prefix="/endpoints", tags=["endpoints"])

_LOUDEST_FIRST = (
    LogLevel.FATAL, LogLevel.ERROR, LogLevel.WARN, LogLevel.INFO, LogLevel.DEBUG, LogLevel.TRACE,
)  # fmt: skip


@router.get("/{uuid}/log")
def log(
    uuid: str,
    caller: Reader,
    threshold: Literal["OFF", "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", "ALL"] = "ALL",
    start: Annotated[str | None, Query(alias="from")] = None,
    end: Annotated[str | None, Query(alias="to")] = None,
    limit: Annotated[int, Query(alias="max", ge=1, le=LIST_MAX)] = LIST_MAX,
) -> Response:
    """Return the device's log lines of a threshold and above, newest first.

    ``ALL`` also gives what jobs wrote, under the level ``OUTPUT``.
    """
    endpoint = caller.endpoint(uuid, Level.CONFIGURE)
    lines = caller.city.history.journal(
        endpoint.uuid,
        _levels(threshold),
        read_moment(start, "from"),
        read_moment(end, "to"),
        limit,
    )
    return as_json([_entry(line) for line in lines])


def _levels(threshold: str) -> list[str]:
    if threshold == LogLevel.OFF:
        return []
    if threshold == LogLevel.ALL:
        return [*_LOUDEST_FIRST, LogLevel.ALL, OUTPUT_LEVEL]
    return list(_LOUDEST_FIRST[: _LOUDEST_FIRST.index(LogLevel[threshold]) + 1])


def _entry(line: JournalLine) -> dict[str, object]:
    return {
        "time": rfc3339(line.logged),
        "level": line.level,
        "message": line.message,
        "loggerName": line.logger,
        "logSource": line.source,
    }
