"""Core's part in accounting: the record with all that keeps, proves and finds it."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from borough.home import Home
from borough.roles.chains import ChainedRecord
from borough.roles.events import witness_of
from borough.roles.notes import Notes
from borough.roles.reserve import ReservedRecord
from borough.roles.sealing import CHECKPOINTS_FILE, Sealing
from borough.settings import Settings
from ciaas.kernel.address import PointAddress
from ciaas.kernel.catalogue import Catalogue
from ciaas.management.events.hub import Hub
from ciaas.management.events.witness import Sealed
from ciaas.ports import Clock, Missing
from ciaas.storage.accesses import AccessIndex
from ciaas.storage.checkpoints import CheckpointIndex
from ciaas.storage.record import RecordFile
from ciaas.storage.registry import Registry
from cpaas.access.assurance import Assurance, Packer
from security.aaa.checkpoints import Signer
from security.aaa.masking import Mask
from security.aaa.outage import Outage
from security.encryption.keyring import KeyRing

log = logging.getLogger(__name__)

_RESERVE_EACH_S = 2.0
_INDEX_EACH_S = 5.0


class CityRecord:
    """The record of one home, opened for writing.

    Raises:
        OSError: it cannot be used, or another process writes there.
    """

    def __init__(
        self,
        home: Home,
        settings: Settings,
        keys: KeyRing,
        registry: Registry,
        catalogue: Catalogue,
        clock: Clock,
    ) -> None:
        """Open the record and its indexes; nothing runs yet."""
        self._registry, self._catalogue = registry, catalogue
        self.file = RecordFile(home.audit, clock.now_ms)
        self._reserve = ReservedRecord(self.file, home.reserve)
        self._reserve.refill()
        self.record = ChainedRecord(self._reserve, catalogue, registry.resources.projects)
        """Where everybody writes."""
        self.notes = Notes(self.record)
        """Where those write who do not wait for it."""
        self.outage = Outage(clock.now_ms)
        self._accesses = AccessIndex(home.accesses, self.file, self._number_of)
        self._covered = CheckpointIndex(home.checkpoints, home.audit / CHECKPOINTS_FILE)
        self._signer = Signer(keys.record_key)
        self._mask = Mask(keys.derived("record"))
        self._sealing = Sealing(
            self.file,
            self._signer,
            registry.checkpoints,
            home.audit,
            clock.now_ms,
            settings.record_copy,
        )

    def assurance(self, backup: Packer) -> Assurance:
        """Return what the API reaches of it."""
        return Assurance(
            groups=self._registry.groups,
            accesses=self._accesses,
            checkpoints=self._registry.checkpoints,
            signer=self._signer,
            backup=backup,
            chains=self.record,
            covered=self._covered,
            mask=self._mask,
            outage=self.outage,
            note=self.notes.add,
        )

    def begin(self) -> None:
        """Begin to write what nobody waits for; raises OSError."""
        self._sealing.begin()
        self.notes.start()

    def publish(self, publish: Callable[[bytes], None]) -> None:
        """Have each checkpoint of the record told, as a line of JSON, from any thread."""
        self._sealing.publish = publish

    def follow(self, hub: Hub, sealed: Sealed) -> None:
        """Tell the record of each commit from now on."""
        self._witness = witness_of(hub, self.record, self._accesses, sealed)
        self._witness.start()

    def unfollow(self) -> None:
        """Tell of the last commits, and of none any more."""
        self._witness.stop()

    def work(self) -> Sequence[Coroutine[Any, Any, None]]:
        """Return what has to run while core runs."""
        return [self._sealing.run(), self._index(), self._keep_reserve()]

    def close(self) -> None:
        """Write what waits, take the last checkpoints and close everything."""
        self.notes.stop()
        self._sealing.look(last=True)
        self._accesses.close()
        self._covered.close()
        self.file.close()

    # -- private pieces

    def _number_of(self, address: str) -> int | None:
        """Return the number of a point, also of one that was removed."""
        point = self._catalogue.by_address(PointAddress(address))
        if point is not None:
            return point.id
        try:
            return self._registry.resources.point(PointAddress(address)).id
        except Missing:
            return None

    async def _index(self) -> None:
        """Keep the log of accesses near the record, so that no question waits for it long."""
        while True:
            await asyncio.sleep(_INDEX_EACH_S)
            try:
                await asyncio.to_thread(self._accesses.catch_up)
            except (OSError, sqlite3.Error) as error:  # a full disk; the next round goes on
                log.warning("the log of accesses is behind the record: %s", error)

    async def _keep_reserve(self) -> None:
        while True:
            await asyncio.sleep(_RESERVE_EACH_S)
            try:
                await asyncio.to_thread(self._reserve.refill)
            except OSError as error:  # a disk that fails now may do better at the next round
                log.warning("the record's reserve is not looked after: %s", error)
