"""Alarms: what stands now, what became of each, and that somebody has seen it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ciaas.kernel.address import EndpointId, parse_prefix
from ciaas.management.alarms.document import alarm_document, instant
from ciaas.management.alarms.ports import Alarm
from ciaas.ports import Missing, Point
from cpaas.access.answers.described import AlarmEntry, AlarmPage, answers
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import AppWriter, Caller, Reader
from cpaas.access.problems import not_found
from cpaas.limits import (
    ALARM_COMMENT_CHARS_MAX,
    ALARM_PAGES_MAX,
    LIST_DEFAULT,
    LIST_MAX,
    NUMBER_MAX,
)
from security.aaa.levels import Level

router = APIRouter(prefix="/alarms", tags=["events"])


class Asked(BaseModel):
    """Which alarms are listed."""

    model_config = {"extra": "forbid"}

    open: bool = Field(True, description="false lists those that are over too")
    state: list[Literal["raised", "acknowledged", "cleared"]] = Field(default_factory=list)
    severity: list[Literal["critical", "major", "minor", "warning"]] = Field(default_factory=list)
    address: str | None = Field(None, description="a prefix, such as an endpoint")
    before: int | None = Field(
        None, ge=1, le=NUMBER_MAX, description="of the page before, to go on"
    )
    limit: int = Field(LIST_DEFAULT, ge=1, le=LIST_MAX)

    def holds(self, alarm: Alarm, point: Point) -> bool:
        """Tell whether an alarm is asked for."""
        if self.state and alarm.state.value not in self.state:
            return False
        if self.severity and alarm.severity not in self.severity:
            return False
        if self.address is None:
            return True
        prefix = "/".join(parse_prefix(self.address))
        return point.address == prefix or point.address.startswith(prefix + "/")


class Acknowledgement(BaseModel):
    """What is noted with it."""

    model_config = {"extra": "forbid"}

    comment: str = Field("", max_length=ALARM_COMMENT_CHARS_MAX)


@router.get("", responses=answers(AlarmPage))
def listed(caller: Reader, asked: Annotated[Asked, Query()]) -> Response:
    """List alarms of points that the caller may read, the newest first.

    ``before`` in the answer is where the next page begins; null when there is none.
    """
    found: list[dict[str, Any]] = []
    told: list[int] = []
    before = asked.before
    for _ in range(ALARM_PAGES_MAX):
        page = caller.city.events.alarms.store.listed(asked.open, before, asked.limit)
        for alarm, point in _seen(caller, page.alarms):
            if asked.holds(alarm, point):
                found.append(alarm_document(alarm, point.address))
                told.append(point.id)
        before = page.before
        if before is None or len(found) >= asked.limit:
            break
    caller.tell_points(told)  # an alarm tells a value
    return as_json({"alarms": found, "before": before})


@router.get("/{id}")
def read(id: str, caller: Reader) -> Response:
    """Return one alarm with its history, the oldest step first."""
    alarm, point = _own(caller, id, Level.READ)
    caller.tell_points([point.id])
    steps = caller.city.events.alarms.store.history(alarm.id)
    history = [
        {
            "transition": step.kind,
            "at": instant(step.at),
            "commit": step.commit,
            "value": step.alarm.value,
            "count": step.alarm.count,
            "who": step.who or None,
            "why": step.why or None,
        }
        for step in steps
    ]
    return as_json(alarm_document(alarm, point.address) | {"history": history})


@router.post("/{id}/acknowledge", responses=answers(AlarmEntry))
def acknowledge(
    id: str, caller: AppWriter, acknowledgement: Acknowledgement | None = None
) -> Response:
    """Note that somebody has seen the alarm; a second time changes nothing."""
    alarm, point = _own(caller, id, Level.WRITE)
    caller.tell(alarm=alarm.id, address=point.address)
    comment = "" if acknowledgement is None else acknowledgement.comment
    who = caller.principal.user.name
    seen = caller.city.events.alarms.acknowledge(alarm.id, who, comment)
    return as_json(alarm_document(seen, point.address), HTTPStatus.OK)


def _seen(caller: Caller, alarms: Sequence[Alarm]) -> Iterator[tuple[Alarm, Point]]:
    """Yield the alarms of points that the caller may read."""
    by_project: dict[int, dict[int, Point]] = {}
    for alarm in alarms:
        point = caller.city.catalogue.point(alarm.point)
        if (owner := _project_of(caller, point)) is not None:
            by_project.setdefault(owner, {})[point.id] = point
    readable = {
        point.id: point
        for owner, points in by_project.items()
        for point in caller.readable(owner, points.values())
    }
    for alarm in alarms:
        if (known := readable.get(alarm.point)) is not None:
            yield alarm, known


def _own(caller: Caller, id_: str, need: Level) -> tuple[Alarm, Point]:
    """Return an alarm and its point.

    Raises:
        Problem: 404 when there is none or the caller may not know it, 403 below the level.
    """
    try:
        alarm = caller.city.events.alarms.store.alarm(id_)
    except Missing:
        raise not_found() from None
    found = list(_seen(caller, [alarm]))
    if not found:
        raise not_found()
    levels = found[0][1].address.split("/")
    caller.need(caller.owner_of(levels[0]), levels, need)
    return found[0]


def _project_of(caller: Caller, point: Point) -> int | None:
    """Return the project of a point, None when its endpoint was deleted."""
    uuid = point.address.partition("/")[0]
    endpoint = caller.city.catalogue.endpoint(EndpointId(uuid))
    return None if endpoint is None else endpoint.project
