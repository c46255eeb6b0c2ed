"""Webhooks: each user's own subscriptions, their secrets and their dead letters."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import Response
from pydantic import BaseModel, Field, StringConstraints

from ciaas.computing.reach import Forbidden
from ciaas.limits import OUTGOING_URL_CHARS_MAX, SUBSCRIPTION_TITLE_CHARS_MAX, THROTTLE_S_MAX
from ciaas.management.alarms.document import instant
from ciaas.management.directory.filter import Filter, FilterError
from ciaas.management.events.feed import SHARD, Place
from ciaas.management.subscriptions.desk import Wish
from ciaas.management.subscriptions.ports import DeadLetter, EventKind, Subscription
from ciaas.ports import Missing
from cpaas.access.answers.documents import as_json
from cpaas.access.caller import Caller, Configurer, Reader
from cpaas.access.problems import Problem, not_found
from cpaas.limits import NUMBER_MAX

router = APIRouter(prefix="/subscriptions", tags=["events"])

Number = Annotated[int, Path(ge=1, le=NUMBER_MAX)]
_Url = Annotated[str, StringConstraints(min_length=1, max_length=OUTGOING_URL_CHARS_MAX)]
_Title = Annotated[str, StringConstraints(max_length=SUBSCRIPTION_TITLE_CHARS_MAX)]
_Throttle = Annotated[
    float,
    Field(ge=0, le=THROTTLE_S_MAX, description="least seconds between two samples of one point"),
]


class NewSubscription(BaseModel):
    """A webhook to be."""

    model_config = {"extra": "forbid"}

    url: _Url
    kind: EventKind = EventKind.SAMPLES
    title: _Title = ""
    filter: dict[str, Any] = Field(default_factory=dict, description="as of the search")
    throttle: _Throttle = 0.0
    after: str | None = Field(
        None, max_length=64, description="an event id to begin behind; without it, now"
    )
    enabled: bool = True


class Change(BaseModel):
    """What is to be changed of a webhook; what is not given stays."""

    model_config = {"extra": "forbid"}

    url: _Url | None = None
    title: _Title | None = None
    filter: dict[str, Any] | None = None
    throttle: _Throttle | None = None
    enabled: bool | None = Field(
        None, description="true also has a receiver that was down asked at once"
    )
    new_secret: bool = Field(False, description="true answers with another secret")


@router.get("")
async def listed(caller: Reader) -> Response:
    """List the caller's subscriptions; an administrator sees everybody's."""
    store = caller.city.events.subscriptions.store
    found = await asyncio.to_thread(store.subscriptions, None if caller.admin else caller.user)
    return as_json([_document(caller, subscription) for subscription in found])


@router.post("", status_code=HTTPStatus.CREATED)
async def create(new: NewSubscription, caller: Configurer) -> Response:
    """Create a webhook. The answer has the secret that its requests are signed with, once."""
    place = None if new.after is None else _place(new.after)
    position = None
    if place is not None:
        position = place.step if new.kind is EventKind.ALARM else place.commit
    wish = Wish(new.title, new.url, _filter(new.filter), round(new.throttle * 1000), new.enabled)
    desk = caller.city.events.subscriptions
    try:
        made, secret = await desk.create(caller.user, new.kind, wish, position)
    except Forbidden as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"url: {error}") from error
    caller.tell(subscription=made.id, url=made.url)
    return as_json(_document(caller, made) | {"secret": secret}, HTTPStatus.CREATED)


@router.get("/{id}")
async def read(id: str, caller: Reader) -> Response:
    """Return one subscription, how far it is and what its receiver said last."""
    return as_json(_document(caller, await _own(caller, id)))


@router.patch("/{id}")
async def change(id: str, wanted: Change, caller: Configurer) -> Response:
    """Change a webhook; it goes on where it is."""
    subscription = await _own(caller, id)
    throttle = subscription.throttle_ms
    wish = Wish(
        title=subscription.title if wanted.title is None else wanted.title,
        url=subscription.url if wanted.url is None else wanted.url,
        wanted=_filter(subscription.wanted if wanted.filter is None else wanted.filter),
        throttle_ms=throttle if wanted.throttle is None else round(wanted.throttle * 1000),
        enabled=subscription.enabled if wanted.enabled is None else wanted.enabled,
    )
    try:
        changed, secret = await caller.city.events.subscriptions.change(
            subscription, wish, fresh_secret=wanted.new_secret
        )
    except Forbidden as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"url: {error}") from error
    caller.tell(subscription=changed.id, url=changed.url)
    document = _document(caller, changed)
    return as_json(document if secret is None else document | {"secret": secret})


@router.delete("/{id}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
async def remove(id: str, caller: Configurer) -> None:
    """Remove a webhook with its dead letters."""
    await _own(caller, id)
    await caller.city.events.subscriptions.remove(id)


@router.get("/{id}/dead-letters")
async def dead_letters(id: str, caller: Reader) -> Response:
    """List what the receiver would not take, the oldest first."""
    await _own(caller, id)
    letters = await caller.city.events.subscriptions.letters(id)
    return as_json([_letter(letter) for letter in letters])


@router.post("/{id}/dead-letters/{number}/replay", status_code=HTTPStatus.ACCEPTED)
async def replay(id: str, number: Number, caller: Configurer) -> Response:
    """Deliver a dead letter once more; it is gone from the list when it was taken."""
    await _own(caller, id)
    await caller.city.events.subscriptions.replay(id, number)
    return as_json({"number": number, "replay": True}, HTTPStatus.ACCEPTED)


@router.delete(
    "/{id}/dead-letters/{number}", status_code=HTTPStatus.NO_CONTENT, response_class=Response
)
async def drop(id: str, number: Number, caller: Configurer) -> None:
    """Remove a dead letter; history keeps what it stands for."""
    await _own(caller, id)
    await asyncio.to_thread(caller.city.events.subscriptions.store.drop, id, number)


async def _own(caller: Caller, id_: str) -> Subscription:
    store = caller.city.events.subscriptions.store
    try:
        found = await asyncio.to_thread(store.subscription, id_)
    except Missing:
        raise not_found() from None
    if found.user != caller.user and not caller.admin:
        raise not_found()
    return found


def _filter(document: object) -> Filter:
    try:
        wanted = Filter.parse(document)
        wanted.check_followable()
    except FilterError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"filter: {error}") from error
    return wanted


def _place(text: str) -> Place:
    try:
        return Place.parse(text)
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error


def _document(caller: Caller, subscription: Subscription) -> dict[str, Any]:
    alarm = subscription.kind is EventKind.ALARM
    return {
        "id": subscription.id,
        "kind": subscription.kind.value,
        "title": subscription.title,
        "url": subscription.url,
        "filter": subscription.wanted,
        "throttle": subscription.throttle_ms / 1000,
        "enabled": subscription.enabled,
        "state": caller.city.events.subscriptions.state(subscription),
        "position": f"alarm:{subscription.position}"
        if alarm
        else f"{SHARD}:{subscription.position}",
        "delivered": subscription.delivered,
        "delivered_at": instant(subscription.delivered_at),
        "failures": subscription.failures,
        "failed_at": instant(subscription.failed_at),
        "why": subscription.why or None,
        "created_at": instant(subscription.created_at),
    }


def _letter(letter: DeadLetter) -> dict[str, Any]:
    return {
        "number": letter.number,
        "after": letter.after,
        "last": letter.last,
        "at": instant(letter.at),
        "why": letter.why,
        "replay": letter.replay,
    }
