"""The live feed: what is recorded, as it is recorded, as server-sent events."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response
from pydantic import Field

from ciaas.management.directory.filter import FilterError, FilterParameters
from ciaas.management.events.feed import FeedsFull, Place
from ciaas.management.events.selection import Selection
from cpaas.access.answers.event_stream import EventStream
from cpaas.access.answers.live import AlarmTail, LiveStream
from cpaas.access.caller import Reader
from cpaas.access.problems import Problem
from cpaas.limits import LIVE_EVERY_S_MAX

router = APIRouter(tags=["events"])


class LiveParameters(FilterParameters):
    """The filter, and how the feed is to come."""

    after: str | None = Field(
        None, max_length=64, description="the last id that was seen; Last-Event-ID goes before it"
    )
    event: list[Literal["samples", "alarm"]] = Field(
        ["samples"], description="what is sent: samples, alarm or both"
    )
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
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> Response:
    """Follow the samples that a filter holds for and that the caller may read.

    Each event `samples` has a JSON array; its id is that of its newest commit. A feed that is
    resumed after an id has every later commit. With `event=alarm` steps of alarms come too.
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
    selection = Selection(caller.city.events.directory, asked.filter, caller.user)
    start, _ = await asyncio.gather(
        asyncio.to_thread(feeds.start, place and place.commit), asyncio.to_thread(selection.renew)
    )
    try:
        leave = feeds.admit(caller.user)
    except FeedsFull as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"Retry-After": "5"}) from error
    catalogue, steps = caller.city.catalogue, caller.city.events.alarms.steps
    stream = LiveStream(
        feeds,
        selection,
        start,
        every_s=asked.every,
        prove=request.scope["state"]["prove"],
        samples="samples" in asked.event,
        alarms=AlarmTail(
            steps, selection, place and place.step, lambda point: catalogue.point(point).address
        )
        if "alarm" in asked.event
        else None,
    )
    return EventStream(stream.blocks(), stall_s=feeds.stall_s, on_stall=feeds.cut_off, on_end=leave)
