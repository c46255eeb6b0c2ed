"""What adapters see and nobody enrolled, on its way from field to core. Nothing waits for it."""

from __future__ import annotations

import asyncio
import logging

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from ciaas.sensorisation.runtime import Runtime
from ciaas.sensorisation.sighting import (
    ReportError,
    SightingBoard,
    read_candidates,
    write_candidates,
)

log = logging.getLogger(__name__)

SUBJECT = "field.sightings"
_LOOK_S = 2.0
_AGAIN_S = 60.0
"""An unchanged report is sent again so often: core may have started anew."""


async def report_sightings(client: Client, runtime: Runtime) -> None:
    """Tell core what was seen, when it changes and once a minute, until cancelled."""
    clock = asyncio.get_running_loop().time
    told, told_at = b"", float("-inf")
    while True:
        report = write_candidates(runtime.candidates())
        if report != told or clock() - told_at >= _AGAIN_S:
            try:
                await client.publish(SUBJECT, report)
            except NatsError as error:  # it is seen again, and told again
                log.info("what was seen is not told: %s", error)
            else:
                told, told_at = report, clock()
        await asyncio.sleep(_LOOK_S)


async def hear_sightings(client: Client, board: SightingBoard) -> None:
    """Keep what field tells on a board, as long as the connection lives."""

    async def heard(message: Msg) -> None:
        try:
            board.take(SUBJECT, read_candidates(message.data))
        except ReportError as error:
            log.warning("field told nonsense: %s", error)

    await client.subscribe(SUBJECT, cb=heard)
