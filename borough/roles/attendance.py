"""Who is online: devices by their connection, adapters' endpoints by what arrives of them."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ciaas.computing.broker.errors import BrokerError
from ciaas.kernel.address import EndpointId
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.sample import Reason
from ciaas.limits import EXPEL_AGAIN_S, EXPULSIONS_AT_ONCE
from ciaas.ports import Clock, Feed, HistoryStore

log = logging.getLogger(__name__)

_READ_HERE = (Feed.ADAPTER, Feed.PLATFORM)
READ_FRESH_MS = 60_000
"""An adapter's endpoint is online when a reading of it arrived within this time."""


@dataclass(slots=True)
class Attendance:
    """Presence of every endpoint; a retained birth message never counts as a proof of it."""

    catalogue: Catalogue
    history: HistoryStore
    note: Callable[[Mapping[str, Any]], None]
    """Records an entry that nobody waits for; returns at once."""
    clock: Clock
    connected: set[EndpointId] = field(default_factory=set)
    kick: Callable[[EndpointId], Future[int]] | None = None
    """Ends a device's connections; None until the broker is there."""
    observed: Callable[[EndpointId, bool, int, str], None] | None = None
    """Told what `changed` is told; returns at once."""
    owed: dict[EndpointId, int] = field(default_factory=dict)
    """Whose connections are still to be ended, with the number of the demand."""
    asked: set[EndpointId] = field(default_factory=set)
    """Those of whom the broker has been asked and has not answered yet."""
    _demands: Iterator[int] = field(default_factory=itertools.count)
    forget_birth: Callable[[EndpointId], None] | None = None
    """Has the broker drop a retained birth message; None until the broker is there."""

    def online(self, uuid: EndpointId) -> bool:
        """Return True while the endpoint's device is connected or its adapter reads it."""
        if uuid in self.connected:
            return True
        endpoint = self.catalogue.endpoint(uuid)
        if endpoint is None or endpoint.feed not in _READ_HERE:
            return False
        points = np.array([point.id for point in self.catalogue.under([uuid])], np.uint32)
        latest = self.history.latest(points)
        read = latest.reason != Reason.READ_ERROR
        return bool((latest.received[read] > self.clock.now_ms() - READ_FRESH_MS).any())

    def present(self) -> Set[EndpointId]:
        """Return the endpoints whose device is connected now; not to be changed."""
        return self.connected

    def changed(self, uuid: EndpointId, online: bool, at_ms: int, reason: str) -> None:
        """Take over what the broker tells of a device's connection."""
        if online:
            self.connected.add(uuid)
        else:
            self.connected.discard(uuid)
            self._forget_birth(uuid)
        if self.observed is not None:
            self.observed(uuid, online, at_ms, reason)
        self.note(
            {"kind": "presence", "who": uuid, "online": online, "since": at_ms, "reason": reason}
        )

    def disconnect(self, uuid: EndpointId) -> None:
        """End the device's connection; returns at once. `insist` goes on until it has ended."""
        self.owe([uuid])
        self._expel(uuid)
        self._forget_birth(uuid)

    def owe(self, uuids: Iterable[EndpointId]) -> None:
        """Have these connections ended by `insist`; any thread may call."""
        self.owed.update((uuid, next(self._demands)) for uuid in uuids)

    async def insist(self) -> None:
        """Ask again for what the broker did not answer, until cancelled."""
        while True:
            await asyncio.sleep(EXPEL_AGAIN_S)
            for uuid in list(self.owed)[:EXPULSIONS_AT_ONCE]:
                self._expel(uuid)

    def _expel(self, uuid: EndpointId) -> None:
        if self.kick is None or uuid in self.asked:
            return
        self.asked.add(uuid)
        demand = self.owed.get(uuid)

        def ended(done: Future[int]) -> None:
            self.asked.discard(uuid)
            try:
                done.result()
            except (BrokerError, CancelledError) as error:
                log.warning("%s is not disconnected yet: %s", uuid, error)
            else:
                if self.owed.get(uuid) == demand:  # else a later one has yet to be heard
                    self.owed.pop(uuid, None)

        self.kick(uuid).add_done_callback(ended)

    def _forget_birth(self, uuid: EndpointId) -> None:
        if self.forget_birth is not None:
            self.forget_birth(uuid)


@dataclass(frozen=True, slots=True)
class Claims:
    """What the decoder tells of birth and death messages.

    The broker's own events are the truth about connections, and come sooner; a birth message only
    shows that the device feeds the endpoint.
    """

    claim: Callable[[EndpointId], None]

    def online(self, uuid: EndpointId, at_ms: int) -> None:
        """Told at each ``@online``."""
        self.claim(uuid)

    def offline(self, uuid: EndpointId, at_ms: int) -> None:
        """Told at each ``@offline``; the broker has told of the disconnection itself."""
