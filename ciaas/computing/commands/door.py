"""The door by which other roles ask core for commands, in the name of a user."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from ciaas.computing.commands.paper import REQUEST_SUBJECT, CommandReply, CommandRequest
from ciaas.limits import COMMAND_REQUESTS_MAX

log = logging.getLogger(__name__)

Ask = Callable[[CommandRequest], CommandReply]


class CommandDoor:
    """Answers each request when its command is durable, or with why there is none."""

    def __init__(self, ask: Ask) -> None:
        """``ask`` is called in a thread and raises nothing."""
        self._ask = ask
        self._working: set[asyncio.Task[None]] = set()

    async def open(self, client: Client) -> None:
        """Begin to take requests."""
        await client.subscribe(REQUEST_SUBJECT, cb=self._take)

    async def _take(self, message: Msg) -> None:
        if len(self._working) >= COMMAND_REQUESTS_MAX:
            await _reply(message, CommandReply(why="too many requests at once", again=True))
            return
        task = asyncio.create_task(self._serve(message))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _serve(self, message: Msg) -> None:
        try:
            asked = msgspec.json.decode(message.data, type=CommandRequest)
        except msgspec.MsgspecError as error:
            await _reply(message, CommandReply(why=f"no request: {error}"))
            return
        await _reply(message, await asyncio.to_thread(self._ask, asked))


async def _reply(message: Msg, reply: CommandReply) -> None:
    try:
        await message.respond(msgspec.json.encode(reply))
    except NatsError as error:  # who asked asks again, with the same key
        log.warning("an answer about a command does not arrive: %s", error)
