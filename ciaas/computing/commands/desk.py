"""The field role's desk: writes what core asks for, several devices at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from ciaas.computing.commands.paper import FIELD_SUBJECT, WriteReply, WriteRequest
from ciaas.kernel.downlink.command import Rung
from ciaas.limits import FIELD_WRITES_MAX
from ciaas.sensorisation.writing.order import WriteOrder, WriteOutcome

log = logging.getLogger(__name__)

Write = Callable[[WriteOrder], Awaitable[WriteOutcome]]


class FieldDesk:
    """Answers each request once it is known how far the write came."""

    def __init__(self, client: Client, write: Write) -> None:
        self._client, self._write = client, write
        self._working: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin to take requests."""
        await self._client.subscribe(FIELD_SUBJECT, cb=self._take)

    async def close(self) -> None:
        """Give up what is under way: without an answer, its outcome is unknown."""
        for task in list(self._working):
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)

    async def _take(self, message: Msg) -> None:
        if len(self._working) >= FIELD_WRITES_MAX:
            busy = f"{FIELD_WRITES_MAX} writes are under way"
            await self._reply(message, WriteOutcome(Rung.QUEUED, busy))
            return
        task = asyncio.create_task(self._serve(message))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _serve(self, message: Msg) -> None:
        try:
            asked = msgspec.json.decode(message.data, type=WriteRequest)
        except msgspec.MsgspecError as error:
            await self._reply(message, WriteOutcome(Rung.REJECTED, f"no request: {error}"))
            return
        order = WriteOrder(asked.command, asked.address, asked.value, asked.until, asked.who)
        await self._reply(message, await self._write(order))

    async def _reply(self, message: Msg, outcome: WriteOutcome) -> None:
        reply = WriteReply(outcome.rung.value, outcome.why)
        try:
            await message.respond(msgspec.json.encode(reply))
        except NatsError as error:  # core takes it for unknown, which it now is
            log.warning("the outcome of a write does not reach core: %s", error)
