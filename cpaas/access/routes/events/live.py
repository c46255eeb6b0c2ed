"""The live feed: what happens, as it happens, as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response
from pydantic import Field

from ciaas.management.directory.filter import Filter, FilterError, FilterParameters
from ciaas.management.events.feed import FeedsFull, Place, Start
from ciaas.management.events.selection import Selection
from ciaas.management.events.tally import Tally
from cpaas.access.answers.event_stream import EventStream
from cpaas.access.answers.live import LiveStream
from cpaas.access.answers.tails import AlarmTail, CommandTail, MetadataTail, Tail
from cpaas.access.caller import Caller, Reader
from cpaas.access.problems import Problem
from cpaas.limits import EVENT_ID_CHARS_MAX, LIVE_EVERY_S_MAX

router = APIRouter(tags=["events"])


Kind = Literal["samples", "alarm", "command", "metadata"]


class LiveParameters(FilterParameters):
    """The filter, and how the feed is to come."""

    after: str | None = Field(
        None,
        max_length=EVENT_ID_CHARS_MAX,
        description="the last id that was seen; Last-Event-ID goes before it",
    )
    event: list[Kind] = Field(["samples"], description="what is sent, given once or several times")
    every: float = Field(
        0.0, ge=0, le=LIVE_EVERY_S_MAX, description="least seconds between two events of samples"
    )


@router.get(
    "/live",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def live(
    request: Request,
    caller: Reader,
    asked: Annotated[LiveParameters, Query()],
    last_event_id: Annotated[str | None, Header(max_length=EVENT_ID_CHARS_MAX)] = None,
) -> Response:
    """Follow the samples that a filter holds for and that the caller may read.

    Each event `samples` has a JSON array; its id is that of its newest commit. A feed that is
    resumed after an id has every later commit. `event=alarm`, `event=command` and `event=metadata`
    bring steps of alarms, rungs of commands and changes of metadata too.
    """
    feeds = caller.city.events.feeds
    try:
        asked.filter.check_followable()
        resumed = last_event_id or asked.after
        place = None if resumed is None else Place.parse(resumed)
    except FilterError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
    selection = Selection(caller.city.events.directory, asked.filter, caller.party)
    tails = list(_tails(caller, asked, selection, place))

    def begin() -> Start:
        selection.renew()
        start = feeds.start(place and place.commit)
        for tail in tails:
            tail.begin()
        return start

    start = await asyncio.to_thread(begin)
    try:
        leave = feeds.admit(caller.user)
    except FeedsFull as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"Retry-After": "5"}) from error
    caller.tell(
        select=asked.filter.model_dump_json(exclude_defaults=True), follows=len(selection.points)
    )
    stream = LiveStream(
        feeds,
        selection,
        start,
        every_s=asked.every,
        prove=request.scope["state"]["prove"],
        tally=Tally(_entry(request, caller), caller.city.assurance.note, caller.city.clock),
        samples="samples" in asked.event,
        tails=tails,
    )
    return EventStream(stream.blocks(), stall_s=feeds.stall_s, on_stall=feeds.cut_off, on_end=leave)


def _tails(
    caller: Caller, asked: LiveParameters, selection: Selection, resumed: Place | None
) -> Iterator[Tail]:
    """Yield what follows the events asked for, in the order of an id's parts."""
    events, catalogue = caller.city.events, caller.city.catalogue
    if "alarm" in asked.event:
        yield AlarmTail(events.alarms.steps, selection, resumed, catalogue)
    if "command" in asked.event:
        yield CommandTail(events.rungs, selection, resumed)
    if "metadata" in asked.event:
        yield MetadataTail(
            caller.city.directory.changes,
            events.directory.version,
            selection,
            asked.filter != Filter(),
            caller.party,
            resumed,
        )


def _entry(request: Request, caller: Caller) -> dict[str, object]:
    """Return who reads, as the record has it, for what the feed will have told."""
    return {
        "kind": "access",
        "who": caller.principal.user.name,
        "from": (request.scope.get("client") or ("", 0))[0],
        "verb": "GET",
        "path": request.scope["path"],
        "status": int(HTTPStatus.OK),
        "token": caller.principal.token,
    }
