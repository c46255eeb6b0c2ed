"""Takes checkpoints of the record: into the registry at once, beside the record each minute."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ciaas.ports import RegistryError
from security.aaa.chain import Head
from security.aaa.checkpoints import Signer
from security.ports import Checkpoint, CheckpointStore

log = logging.getLogger(__name__)

TIP_S = 2.0
"""How long the end of the record may be without a checkpoint in the registry."""
FILE_S = 60.0
"""How often one is also written beside the record, where all of them stay."""
FILE_ENTRIES = 1_000
"""After so many entries it is written before its time."""
CHECKPOINTS_FILE = "checkpoints.jsonl"
KEY_FILE = "checkpoint.pub"


class Sealing:
    """States how far the record goes, in two places, as long as entries come.

    Args:
        head: Says how far the record is on disk.
        signer: Signs.
        store: The second place.
        directory: The record's, where the file of checkpoints and the public key lie.
        clock_ms: Milliseconds since 1970 UTC.
    """

    def __init__(
        self,
        head: Callable[[], Head],
        signer: Signer,
        store: CheckpointStore,
        directory: Path,
        clock_ms: Callable[[], int],
    ) -> None:
        self._head, self._signer, self._store = head, signer, store
        self._directory, self._clock_ms = directory, clock_ms
        self._tip = self._filed = 0
        self._filed_ms = 0

    def begin(self) -> None:
        """Write the public key beside the record; raises OSError."""
        path = self._directory / KEY_FILE
        draft = path.with_name(f".{KEY_FILE}")
        draft.write_bytes(self._signer.public_pem)
        draft.replace(path)

    async def run(self) -> None:
        """Take checkpoints until cancelled."""
        while True:
            await asyncio.sleep(TIP_S)
            await asyncio.to_thread(self.look)

    def look(self, *, last: bool = False) -> None:
        """Take what checkpoints are due; ``last`` takes both. A failure is tried again later."""
        head, now = self._head(), self._clock_ms()
        with contextlib.suppress(OSError, RegistryError):  # said below, and due again
            if head.size > self._tip:
                self._put(self._store.put_checkpoint, head, now)
                self._tip = head.size
        new = head.size - self._filed
        due = last or new >= FILE_ENTRIES or now - self._filed_ms >= FILE_S * 1_000
        if new > 0 and due:
            with contextlib.suppress(OSError, RegistryError):
                self._put(self._file, head, now)
                self._filed, self._filed_ms = head.size, now

    def _put(self, where: Callable[[Checkpoint], None], head: Head, now: int) -> None:
        try:
            where(self._signer.sign(head.size, head.digest, now))
        except (OSError, RegistryError) as error:
            log.warning("the record's checkpoint at %d is not kept: %s", head.size, error)
            raise

    def _file(self, checkpoint: Checkpoint) -> None:
        """Append a line and return once it is on disk."""
        path = self._directory / CHECKPOINTS_FILE
        line = json.dumps(asdict(checkpoint), sort_keys=True, separators=(",", ":")) + "\n"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            end = os.lseek(file, 0, os.SEEK_END)
            if end and os.pread(file, 1, end - 1) != b"\n":  # a crash tore the last line
                end = os.pread(file, end, 0).rfind(b"\n") + 1
                os.ftruncate(file, end)
            os.pwrite(file, line.encode(), end)
            os.fsync(file)
        finally:
            os.close(file)
