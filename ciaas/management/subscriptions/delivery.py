"""Delivery to one receiver: in order, again and again until it is taken, in a task of its own."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from ciaas.computing.reach import Forbidden, OutgoingError
from ciaas.limits import (
    BREAKER_FAILURES,
    BREAKER_WAIT_S_MIN,
    DELIVERY_ANSWER_BYTES_MAX,
    DELIVERY_REFUSALS_MAX,
    DELIVERY_S_MAX,
    DELIVERY_WAIT_S_MAX,
    DELIVERY_WAIT_S_MIN,
    POSITION_STORED_S,
)
from ciaas.management.subscriptions.envelope import bodies, headers
from ciaas.management.subscriptions.ports import (
    DeadLetter,
    Progress,
    Subscription,
    SubscriptionStore,
)
from ciaas.management.subscriptions.sources import EventSource, Parcel
from ciaas.ports import Clock, HistoryError, Missing, RegistryError

if TYPE_CHECKING:
    from ciaas.computing.outgoing import Answer, Outgoing

log = logging.getLogger(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")
_LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_LOOK_S = 1.0


class SwitchedOff(Exception):
    """The subscription delivers no more until its owner switches it on again."""


class _Refused(Exception):
    """The receiver will not take it, now or later."""


@dataclass(slots=True)
class Delivery:
    """One subscription at work. `run` ends by `SwitchedOff` or by being cancelled.

    What is delivered is noted before the next is sent: after a kill the receiver gets the events
    of at most one parcel again, under the same ids.
    """

    subscription: Subscription
    secret: bytes
    source: EventSource
    between: Callable[[int, int], EventSource]
    """Returns a source of what lies after one position up to another, for dead letters."""
    store: SubscriptionStore
    outgoing: Outgoing
    clock: Clock
    patience_ms: int
    """How long a receiver may fail on the same parcel before that is set aside."""
    may_deliver: Callable[[], bool]
    """False while the owner is shut out; asks the registry."""
    position: int
    failures: int = 0
    replaying: bool = True
    """True when dead letters may be marked for another delivery."""
    _stored_at: float = 0.0
    _allowed_at: float = -_LOOK_S

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            try:
                if self.replaying:
                    await self._until_allowed()
                    self.replaying = False
                    await self._replay()
                parcel = await self.source.take(_LOOK_S)
            except (HistoryError, RegistryError) as error:  # nothing has moved: asked again
                log.info("subscription %s waits: %s", self.subscription.id, error)
                await asyncio.sleep(_LOOK_S)
            else:
                if parcel is not None:
                    await self._until_allowed()
                    await self._pass_on(parcel)

    async def _until_allowed(self) -> None:
        """Return when the owner may be delivered for; asked once a second."""
        now = asyncio.get_running_loop().time()
        while now - self._allowed_at >= _LOOK_S:
            try:
                if await asyncio.to_thread(self.may_deliver):
                    self._allowed_at = now
                    return
            except RegistryError as error:  # on doubt nothing is delivered
                log.info("subscription %s waits: %s", self.subscription.id, error)
            await asyncio.sleep(_LOOK_S)
            now = asyncio.get_running_loop().time()

    async def _pass_on(self, parcel: Parcel) -> None:
        """Deliver a parcel, or set it aside, and note how far it is."""
        try:
            await self._deliver(parcel)
        except _Refused as refusal:
            letter = DeadLetter(0, self.position, parcel.last, self.clock.now_ms(), str(refusal))
            if not await self._kept(self.store.bury, self.subscription.id, letter):
                await self._switch_off("too many dead letters; look at them, then switch it on")
            self.position = parcel.last
            return
        self.position = parcel.last
        now = asyncio.get_running_loop().time()
        if parcel.updates or now - self._stored_at >= POSITION_STORED_S:
            self._stored_at = now
            done = Progress(parcel.last, parcel.updates, self.clock.now_ms())
            await self._kept(self.store.advance, self.subscription.id, done)

    async def _replay(self) -> None:
        """Deliver once more what was marked; what is refused again stays where it is."""
        id_ = self.subscription.id
        for letter in await asyncio.to_thread(self.store.letters, id_, replay=True):
            source = self.between(letter.after, letter.last)
            try:
                while (parcel := await source.take(0.0)) is not None:
                    await self._deliver(parcel)
            except _Refused as refusal:
                await self._kept(self.store.mark, id_, letter.number, False, str(refusal))
            else:
                await self._kept(self.store.drop, id_, letter.number)

    async def _deliver(self, parcel: Parcel) -> None:
        """Return when the receiver has taken all of it.

        Raises:
            _Refused: it will not.
        """
        for part, body in enumerate(bodies(parcel.events)):
            refusals = 0
            number = f"{self.subscription.id}:{parcel.last}.{part}"
            while (trouble := await self._post(number, body)) is not None:
                refusals += trouble.lasting
                if trouble.lasting and refusals >= DELIVERY_REFUSALS_MAX:
                    raise _Refused(trouble.why)
                if self.clock.now_ms() - parcel.recorded_at > self.patience_ms:
                    raise _Refused(f"given up after a long time: {trouble.why}")
                await asyncio.sleep(max(self._wait_s(), trouble.retry_after_s))

    async def _post(self, number: str, body: bytes) -> _Trouble | None:
        """Send one request; returns None when it was taken, else what went wrong."""
        at_ms = self.clock.now_ms()
        try:
            answer = await self.outgoing.send(
                "POST",
                self.subscription.url,
                headers=headers(self.secret, number, at_ms // 1000, body),
                body=body,
                timeout_s=DELIVERY_S_MAX,
                answer_bytes_max=DELIVERY_ANSWER_BYTES_MAX,
            )
        except Forbidden as error:
            trouble = _Trouble(str(error), lasting=True)
        except OutgoingError as error:
            trouble = _Trouble(str(error), lasting=False)
        else:
            if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
                self.failures = 0
                return None
            if answer.status == HTTPStatus.GONE:
                await self._switch_off("the receiver answered 410 Gone")
            trouble = _trouble_of(answer)
        self.failures += 1
        await self._kept(self.store.fail, self.subscription.id, at_ms, trouble.why)
        return trouble

    async def _switch_off(self, why: str) -> None:
        fail = self.store.fail
        await self._kept(fail, self.subscription.id, self.clock.now_ms(), why, off=True)
        raise SwitchedOff(why)

    def _wait_s(self) -> float:
        """Return how long to wait after the last failure: longer each time, never all together."""
        if self.failures < BREAKER_FAILURES:
            wait_s = DELIVERY_WAIT_S_MIN * 2.0 ** (self.failures - 1)
        else:
            wait_s = BREAKER_WAIT_S_MIN * 2.0 ** min(self.failures - BREAKER_FAILURES, 10)
        return min(wait_s, DELIVERY_WAIT_S_MAX) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret

    async def _kept(self, change: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Make a change of the store, once it can be made.

        Raises:
            SwitchedOff: the subscription, or the dead letter, was removed.
        """
        while True:
            try:
                return await asyncio.to_thread(change, *args, **kwargs)
            except Missing as error:
                raise SwitchedOff(str(error)) from error
            except RegistryError as error:
                log.warning("subscription %s waits: %s", self.subscription.id, error)
                await asyncio.sleep(_LOOK_S)


@dataclass(frozen=True, slots=True)
class _Trouble:
    why: str
    lasting: bool
    """True when the same request will hardly ever be taken."""
    retry_after_s: float = 0.0


def _trouble_of(answer: Answer) -> _Trouble:
    said = answer.body[:200].decode(errors="replace")
    why = f"answered {answer.status}: {said}" if said else f"answered {answer.status}"
    lasting = answer.status < HTTPStatus.INTERNAL_SERVER_ERROR and answer.status not in _LATER
    after = answer.headers.get("retry-after", "")
    after_s = float(after) if after.isascii() and after.isdigit() and len(after) < 7 else 0.0
    return _Trouble(why, lasting, min(after_s, DELIVERY_WAIT_S_MAX))
