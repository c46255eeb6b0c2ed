"""Core's door for devices: who is let in, who is there, and what the broker refused."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from borough.roles.attendance import Attendance
from borough.roles.gate import DeviceGate
from borough.wiring import BusAddress
from ciaas.computing.admission.callout import Callout
from ciaas.computing.admission.claims import Issuer
from ciaas.computing.admission.ports import Permissions, Refusal, RefusalKind
from ciaas.computing.admission.presence import Presence
from ciaas.computing.admission.refusals import RefusalLog
from ciaas.kernel.address import EndpointId
from ciaas.ports import Clock
from security.encryption.keyring import KeyRing, Role

log = logging.getLogger(__name__)

PLATFORM_CLIENT = "borough-core"
_SPEAKS = Permissions(publish=("@online.>", "@set.>"), subscribe=())
"""What the platform itself may say to devices: retained births cleared, and commands."""


class Door:
    """Answers the broker who may come in, hears who comes and goes, and ends connections.

    Args:
        gate: Decides about a device.
        attendance: Told who is there; asks to end connections.
        keys: Of core's users of the broker.
        log_file: Of the broker, where refusals stand.
        note: Records an entry that nobody waits for; returns at once.
        seen: Told of each refusal; returns at once.
        clock: Of this machine.
    """

    def __init__(
        self,
        gate: DeviceGate,
        attendance: Attendance,
        keys: KeyRing,
        log_file: Path,
        note: Callable[[Mapping[str, Any]], None],
        seen: Callable[[Refusal], None],
        clock: Clock,
    ) -> None:
        self._attendance, self._keys, self._clock = attendance, keys, clock
        self._note, self._seen = note, seen
        self.refusals: Counter[str] = Counter()
        """How often what was refused, by kind."""
        self._presence = Presence(
            attendance.changed, clock, lambda sessions: attendance.owe(gate.denied(sessions))
        )
        self._callout = Callout(
            Issuer(keys.seed(Role.ISSUER)),
            gate,
            clock,
            platform={PLATFORM_CLIENT: _SPEAKS},
            on_refusal=self._refused,
            on_admit=self._presence.admitted,
        )
        self._log = RefusalLog(log_file, on_flood=self._flooded, reported=self._callout.reported)

    @property
    def listening(self) -> bool:
        """True while the broker is told who may come in."""
        return self._presence.connected

    @property
    def connected(self) -> bool:
        """True while the broker asks and tells."""
        return self._callout.connected and self._presence.connected

    async def answer(self, bus: BusAddress) -> None:
        """Begin to answer the broker; devices stay outside until `open`."""
        await self._callout.start(bus.url, self._keys.seed(Role.AUTH), bus.tls())

    async def watch(self, bus: BusAddress) -> None:
        """Begin to hear who comes and goes, and to end connections."""
        await self._presence.start(bus.url, self._keys.seed(Role.SYS), bus.tls())
        loop = asyncio.get_running_loop()

        def kick(uuid: EndpointId) -> Future[int]:
            return asyncio.run_coroutine_threadsafe(self._presence.kick(uuid), loop)

        self._attendance.kick = kick

    def open(self) -> None:
        """Let devices in."""
        self._callout.open()

    async def shut(self) -> None:
        """Let nobody in any more; who is there stays."""
        await self._callout.stop()

    async def leave(self) -> None:
        """Hear of nobody any more."""
        await self._presence.stop()

    async def follow_refusals(self) -> None:
        """Take what the broker writes down of refusals, until cancelled."""
        async for batch in self._log.follow():
            for refusal in batch:
                self._refused(refusal)

    def close(self) -> None:
        """Let the broker's log go."""
        self._log.close()

    def send_away(self, uuid: EndpointId, reason: str, detail: str) -> None:
        """End a device's connection for its project's quota, if it has one, and tell why."""
        if uuid in self._attendance.connected:
            now_ms = self._clock.now_ms()
            self._refused(Refusal(now_ms, uuid, RefusalKind.QUOTA, reason=reason, detail=detail))
            self._attendance.disconnect(uuid)

    def _refused(self, refusal: Refusal) -> None:
        self.refusals[refusal.kind] += refusal.count
        self._seen(refusal)
        self._note(
            {
                "kind": "refusal",
                "who": refusal.client,
                "what": refusal.kind,
                "subject": refusal.subject,
                "reason": refusal.reason,
                "detail": refusal.detail,
                "count": refusal.count,
                "since": refusal.at,
            }
        )

    def _flooded(self, client: str) -> None:
        log.warning("%s publishes what it may not, again and again: disconnected", client)
        self._attendance.disconnect(EndpointId(client))
