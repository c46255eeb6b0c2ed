"""Takes checkpoints of the record: into the registry at once, beside the record each minute."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from borough.roles.second_place import SecondPlace
from ciaas.ports import RegistryError
from ciaas.storage.chains import Snapshot, own_lines, write_snapshot
from ciaas.storage.record import RecordFile, write_all
from security.aaa.chain import Head, digest_of
from security.aaa.checkpoints import Signer, written
from security.aaa.merkle import leaf
from security.ports import CheckpointStore

log = logging.getLogger(__name__)

TIP_S = 2.0
"""How long the end of the record may be without a checkpoint in the registry."""
FILE_S = 60.0
"""How often each chain with new entries has one beside the record, where all of them stay."""
FILE_ENTRIES = 1_000
"""After so many entries they are taken before their time."""
TREE_ENTRIES = 20_000
"""At most in the trees of one round, however long none could be taken."""
CHECKPOINTS_FILE = "checkpoints.jsonl"
KEY_FILE = "checkpoint.pub"


class Sealing:
    """States how far the record goes, in two places or three, as long as entries come.

    Args:
        record: What is stated.
        signer: Signs.
        store: The second place, for the newest.
        directory: The record's, where the file of checkpoints and the public key lie.
        clock_ms: Milliseconds since 1970 UTC.
        elsewhere: A folder for a copy of the file of checkpoints, None for none.
    """

    def __init__(
        self,
        record: RecordFile,
        signer: Signer,
        store: CheckpointStore,
        directory: Path,
        clock_ms: Callable[[], int],
        elsewhere: Path | None = None,
    ) -> None:
        self._record, self._signer, self._store = record, signer, store
        self._directory, self._clock_ms = directory, clock_ms
        self._tip = 0
        self._filed_ms = 0
        self._sealed = record.kept
        file, key = directory / CHECKPOINTS_FILE, directory / KEY_FILE
        self.second = None if elsewhere is None else SecondPlace(elsewhere, file, key)
        self.publish: Callable[[bytes], None] = lambda line: None
        """Told each checkpoint that was written beside the record, as its line there."""

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
        """Take what checkpoints are due; ``last`` takes all. A failure is tried again later."""
        head, now = self._record.head, self._clock_ms()
        if head.size > self._tip:
            with contextlib.suppress(OSError, RegistryError):  # said there, and due again
                self._tell_registry(head, now)
        new = head.size - self._sealed.whole.size
        due = last or new >= FILE_ENTRIES or now - self._filed_ms >= FILE_S * 1_000
        if new > 0 and due:
            try:
                while self._seal(now):
                    pass
                self._filed_ms = now
            except OSError as error:
                log.warning("checkpoints of the record's chains are not kept: %s", error)
        if self.second is not None and (due or not self.second.reached):
            self.second.catch_up()

    def _tell_registry(self, head: Head, now: int) -> None:
        try:
            self._store.put_checkpoint(self._signer.sign(head.size, head.digest, now))
        except (OSError, RegistryError) as error:
            log.warning("the record's checkpoint at %d is not kept: %s", head.size, error)
            raise
        self._tip = head.size

    def _seal(self, now: int) -> bool:
        """Take the checkpoints of the next entries; False when there were none."""
        begin = self._sealed.position if self._sealed.position.sequence else None
        lines = list(self._record.lines(begin, TREE_ENTRIES))
        if not lines:
            return False
        position, last = lines[-1]
        heads, leaves = dict(self._sealed.heads), dict[int, list[bytes]]()
        for own in own_lines(line for _, line in lines):
            heads[own.chain] = Head(own.number, digest_of(own.data))
            leaves.setdefault(own.chain, []).append(leaf(own.data))
        whole = Head(position.sequence, digest_of(last))
        told = [written(self._signer.sign(whole.size, whole.digest, now))]
        for chain, new in sorted(leaves.items()):
            told.append(written(self._signer.sign_chain(chain, heads[chain], new, now)))
        self._file(told)
        self._sealed = Snapshot(position, whole, heads)
        for line in told:
            self.publish(line)
        write_snapshot(self._directory, self._sealed)
        return True

    def _file(self, lines: Sequence[bytes]) -> None:
        """Append lines and return once they are on disk; after an OSError none of them is."""
        path = self._directory / CHECKPOINTS_FILE
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            end = os.lseek(file, 0, os.SEEK_END)
            if end and os.pread(file, 1, end - 1) != b"\n":  # a crash tore the last line
                end = os.pread(file, end, 0).rfind(b"\n") + 1
                os.ftruncate(file, end)
            try:
                write_all(file, b"".join(lines), end)
                os.fsync(file)
            except OSError:
                os.ftruncate(file, end)  # else what reads on takes a half line
                raise
        finally:
            os.close(file)
