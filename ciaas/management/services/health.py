"""Looks at the health addresses of services now and then, by the guarded way out alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from ciaas.computing.reach import OutgoingError
from ciaas.limits import (
    SERVICE_ANSWER_BYTES_MAX,
    SERVICE_CHECK_S_MAX,
    SERVICE_CHECKS_AT_ONCE,
    SERVICE_HEALTH_EACH_S,
)
from ciaas.management.services.ports import Service, ServiceStore
from ciaas.ports import Clock, RegistryError

if TYPE_CHECKING:
    from ciaas.computing.outgoing import Outgoing

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Health:
    """How a service was when it was looked at last."""

    state: str
    """``up``, ``down``, or ``unknown`` before the first look and without an address to look at."""
    why: str = ""
    """Of a service that is down."""
    at: int | None = None
    """Milliseconds since 1970 UTC."""


UNKNOWN = Health("unknown")


class ServiceWatch:
    """Asks every service that has a health address; what it saw is kept in memory.

    Args:
        store: Knows the services.
        outgoing: Returns the way out, made when there is the first service to ask.
        clock: Of this machine.
        each_s: Pause between two rounds.
    """

    def __init__(
        self,
        store: ServiceStore,
        outgoing: Callable[[], Outgoing],
        clock: Clock,
        each_s: float = SERVICE_HEALTH_EACH_S,
    ) -> None:
        self._store, self._make, self._clock, self._each_s = store, outgoing, clock, each_s
        self._seen: dict[str, tuple[str, Health]] = {}
        """By UUID: the address that was asked, and what came of it."""

    def health(self, service: Service) -> Health:
        """Return how a service was when it was looked at last."""
        url, health = self._seen.get(service.uuid, ("", UNKNOWN))
        return health if url == service.health_url else UNKNOWN

    async def run(self) -> None:
        """Look for ever."""
        outgoing: Outgoing | None = None
        try:
            while True:
                try:
                    found = await asyncio.to_thread(self._store.services)
                except RegistryError as error:  # the next round may do better
                    log.warning("the health of services is not looked at: %s", error)
                else:
                    asked = [service for service in found if service.health_url]
                    if asked and outgoing is None:
                        outgoing = await asyncio.to_thread(self._make)
                    if outgoing is not None:
                        await self.look_at(outgoing, asked)
                await asyncio.sleep(self._each_s)
        finally:
            if outgoing is not None:
                await outgoing.close()

    async def look_at(self, outgoing: Outgoing, asked: Sequence[Service]) -> None:
        """Ask these once, some at a time; what was known of others is forgotten."""
        places = asyncio.Semaphore(SERVICE_CHECKS_AT_ONCE)

        async def look(service: Service) -> tuple[str, tuple[str, Health]]:
            async with places:
                return service.uuid, (service.health_url, await self._look(outgoing, service))

        self._seen = dict(await asyncio.gather(*map(look, asked)))

    async def _look(self, outgoing: Outgoing, service: Service) -> Health:
        try:
            answer = await outgoing.send(
                "GET",
                service.health_url,
                headers={"User-Agent": "Borough"},
                timeout_s=SERVICE_CHECK_S_MAX,
                answer_bytes_max=SERVICE_ANSWER_BYTES_MAX,
            )
        except OutgoingError as error:
            return Health("down", str(error), self._clock.now_ms())
        if answer.status // 100 == HTTPStatus.OK // 100:
            return Health("up", "", self._clock.now_ms())
        return Health("down", f"it answered {answer.status}", self._clock.now_ms())
