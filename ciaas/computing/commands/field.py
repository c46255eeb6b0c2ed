"""The way to adapters: core asks the field role by NATS, and is told the rung reached."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

from ciaas.computing.commands.paper import FIELD_SUBJECT, WriteReply, WriteRequest
from ciaas.kernel.downlink.command import Rung
from ciaas.kernel.downlink.ports import Answer, Parcel
from ciaas.ports import Clock, Endpoint

_GRACE_S = 1.0
"""The field role's own answer at the end of the time is better than none."""


class FieldCourier:
    """Asks the field role; the request goes out once, whatever becomes of it."""

    stamped = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._client: Client | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asking: set[asyncio.Task[None]] = set()

    def attach(self, client: Client) -> None:
        """Use this connection from now on; called on its event loop."""
        self._client, self._loop = client, asyncio.get_running_loop()

    def ready(self, endpoint: Endpoint) -> bool:
        """Tell whether the broker is there; whether the field role is, its answer shows."""
        return self._client is not None and self._client.is_connected

    def send(self, parcel: Parcel, answered: Callable[[Answer], None]) -> None:
        """Ask; the answer comes within the command's time or a moment after it."""
        assert self._loop is not None, "nothing is sent before there is a broker"
        self._loop.call_soon_threadsafe(self._begin, parcel, answered)

    def _begin(self, parcel: Parcel, answered: Callable[[Answer], None]) -> None:
        task = asyncio.create_task(self._ask(parcel, answered))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask(self, parcel: Parcel, answered: Callable[[Answer], None]) -> None:
        assert self._client is not None
        command = parcel.command
        request = WriteRequest(
            command.id, command.address, parcel.value, parcel.until, command.steps[0].who
        )
        timeout_s = max(parcel.until - self._clock.now_ms(), 0) / 1_000 + _GRACE_S
        try:
            reply = await self._client.request(
                FIELD_SUBJECT, msgspec.json.encode(request), timeout=timeout_s
            )
            told = msgspec.json.decode(reply.data, type=WriteReply)
            answered(Answer(Rung(told.rung), "field", told.why))
        except NoRespondersError:
            answered(Answer(Rung.QUEUED, "core", "the field role does not run"))
        except NatsTimeout:
            answered(Answer(Rung.SENT, "core", "the field role gave no answer in time"))
        except (NatsError, msgspec.MsgspecError, ValueError) as error:
            answered(Answer(Rung.SENT, "core", f"no answer of the field role: {error}"))
