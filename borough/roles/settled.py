"""Up to when everything received is recorded: core says it, mashups let time pass by it.

While samples come, their times of receipt tell it. In a quiet city only core can: no sample is on
its way that was received before. When it cannot, time stands still for mashups, and nothing that
comes later is taken for late.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from ciaas.ports import Clock, HistoryStore

SETTLED_SUBJECT = "compose.settled"
_ASK_S = 2.0
_UNDER_WAY_MS = 3_000
"""What was received longer ago than this is recorded, when nothing waits and nothing holds back."""


class Settled(msgspec.Struct, frozen=True):
    """All received up to ``at`` is recorded, with ``commit`` the last."""

    at: int
    """Milliseconds since 1970 UTC; 0 when core cannot say."""
    commit: int


class _Reader(Protocol):
    @property
    def attached(self) -> bool: ...

    pending: int


class _Writer(Protocol):
    disk_full: bool


def settled(
    clock: Clock, history: HistoryStore, writer: _Writer, readers: tuple[_Reader, ...]
) -> Settled:
    """Return what core knows now."""
    at = clock.now_ms() - _UNDER_WAY_MS
    busy = writer.disk_full or any(not one.attached or one.pending for one in readers)
    return Settled(0 if busy else at, history.last_commit())


async def answer_settled(control: Client, say: Callable[[], Settled]) -> None:
    """Answer the compose role from now on."""

    async def answer(message: Msg) -> None:
        await message.respond(msgspec.json.encode(say()))

    await control.subscribe(SETTLED_SUBJECT, cb=answer)


async def ask_settled(control: Client, commit: int) -> int:
    """Return until when everything received is in what was read up to this commit, else 0."""
    try:
        answer = await control.request(SETTLED_SUBJECT, b"", timeout=_ASK_S)
    except (NatsError, TimeoutError):
        return 0  # core is away: time stands still until it is back
    said = msgspec.json.decode(answer.data, type=Settled)
    return said.at if said.commit <= commit else 0
