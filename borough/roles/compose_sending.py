"""What mashups send: commands to core, events to webhooks. Slow receivers hold up nobody else."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError

from ciaas.computing.commands.paper import REQUEST_SUBJECT, CommandReply, CommandRequest
from ciaas.computing.outgoing import Outgoing
from ciaas.computing.reach import Forbidden, OutgoingError, Reach
from ciaas.ports import Clock
from cpaas.composition.running.engine import Order, Telling
from cpaas.limits import MASHUP_SENDINGS_AT_ONCE, MASHUP_SENDINGS_MAX, MASHUP_WEBHOOK_TRIES

_ASK_S = 5.0
_RETRY_S = 1.0
_RETRY_S_MAX = 30.0
_WEBHOOK_S = 10.0
_GONE = range(400, 500)
_LATER = (408, 425, 429)
"""Of those answers, the ones after which the same may be taken."""

Sendable = Order | Telling


class Sending:
    """Bounded queues of what is to be sent; each entry is tried until it is dealt with."""

    def __init__(
        self, clock: Clock, outgoing_allow: Sequence[str], failed: Callable[[str, str], None]
    ):
        """``failed`` is told the mashup and what could not be sent."""
        self._clock, self._failed = clock, failed
        self._reach = Reach.of(outgoing_allow)
        self._outgoing: Outgoing | None = None
        self._orders: deque[Order] = deque()
        self._tellings: deque[Telling] = deque()
        self._under_way: list[Sendable] = []
        self._bell = asyncio.Event()
        self._changed = False

    def add(self, orders: Sequence[Order], tellings: Sequence[Telling]) -> None:
        """Take what is to be sent; beyond the bound it is dropped, and its mashup told."""
        for queue, more in ((self._orders, orders), (self._tellings, tellings)):
            for one in more:
                if len(queue) >= MASHUP_SENDINGS_MAX:
                    full = f"{MASHUP_SENDINGS_MAX:,} wait to be sent; one more was dropped"
                    self._failed(one.mashup, full)
                    continue
                queue.append(one)  # type: ignore[arg-type]  # each kind in its own queue
                self._changed = True
        self._bell.set()

    def waiting(self) -> list[bytes] | None:
        """Return everything not yet dealt with, None when nothing changed since `kept`."""
        if not self._changed:
            return None
        return [
            msgspec.json.encode(_Entry(_kind(one), one))
            for one in (*self._under_way, *self._orders, *self._tellings)
        ]

    def kept(self) -> None:
        """Note that what `waiting` returned is on disk."""
        self._changed = bool(self._under_way or self._orders or self._tellings)

    def take_back(self, waiting: Sequence[bytes]) -> None:
        """Go on with what an earlier run left."""
        for body in waiting:
            entry = msgspec.json.decode(body, type=_Raw)
            if entry.kind == "order":
                self._orders.append(msgspec.json.decode(entry.body, type=Order))
            else:
                self._tellings.append(msgspec.json.decode(entry.body, type=Telling))
            self._changed = True
        self._bell.set()

    def work(self, client: Client) -> list[Coroutine[Any, Any, None]]:
        """Return the work of sending, to be run as tasks until cancelled."""
        self._outgoing = Outgoing(self._reach, connections=MASHUP_SENDINGS_AT_ONCE)
        return [
            self._send(self._orders, lambda order: self._ask(client, order)),
            *(self._send(self._tellings, self._post) for _ in range(MASHUP_SENDINGS_AT_ONCE)),
        ]

    async def close(self) -> None:
        """End the connections."""
        if self._outgoing is not None:
            await self._outgoing.close()

    async def _send(
        self, queue: deque[Any], send: Callable[[Any], Coroutine[Any, Any, None]]
    ) -> None:
        while True:
            if not queue:
                self._bell.clear()
                await self._bell.wait()
                continue
            one = queue.popleft()
            self._under_way.append(one)
            try:
                await send(one)
            finally:
                self._under_way.remove(one)
                self._changed = True

    async def _ask(self, client: Client, order: Order) -> None:
        """Ask core until it has recorded the command, or the command makes no sense any more."""
        asked = CommandRequest(
            user=f"mashup:{order.mashup}",
            key=order.key,
            address=order.address,
            value=order.value,
            ttl_s=order.ttl_s,
        )
        body, wait_s = msgspec.json.encode(asked), _RETRY_S
        while self._clock.now_ms() < order.at + order.ttl_s * 1000:
            try:
                answer = await client.request(REQUEST_SUBJECT, body, timeout=_ASK_S)
                reply = msgspec.json.decode(answer.data, type=CommandReply)
            except (NatsError, TimeoutError) as error:
                reply = CommandReply(why=str(error) or "core does not answer", again=True)
            if reply.id or not reply.again:
                if not reply.id or reply.rung == "rejected":
                    self._failed(order.mashup, f"command for {order.address}: {reply.why}")
                return
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _RETRY_S_MAX)
        self._failed(
            order.mashup,
            f"the command for {order.address} was not sent within its {order.ttl_s:g} s",
        )

    async def _post(self, telling: Telling) -> None:
        """Post until it is taken, refused for good, or tried often enough."""
        assert self._outgoing is not None
        body = msgspec.json.encode(telling.event)
        headers = {"Content-Type": "application/cloudevents+json"}
        said, wait_s = "", _RETRY_S
        for tried in range(MASHUP_WEBHOOK_TRIES):
            if tried:
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _RETRY_S_MAX)
            try:
                answer = await self._outgoing.send(
                    "POST", telling.url, headers=headers, body=body, timeout_s=_WEBHOOK_S
                )
            except Forbidden as error:
                said = str(error)
                break
            except OutgoingError as error:
                said = str(error)
                continue
            if 200 <= answer.status < 300:
                return
            said = f"it answered {answer.status}"
            if answer.status in _GONE and answer.status not in _LATER:
                break
        self._failed(telling.mashup, f"{telling.url} was not told: {said}")


class _Entry(msgspec.Struct):
    kind: str
    body: Sendable


class _Raw(msgspec.Struct):
    kind: str
    body: msgspec.Raw


def _kind(one: Sendable) -> str:
    return "order" if isinstance(one, Order) else "telling"
