"""Room kept for the record: a full disk stops what is written, not what is read."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from borough.home import FREE_BYTES_MIN
from security.ports import Record

log = logging.getLogger(__name__)

RESERVE_BYTES = 16_000_000
"""Some ten thousands of recorded accesses."""
STEP_BYTES = 262_144
"""Given up at once: little enough to last, and more than a group of entries needs."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


class ReservedRecord:
    """A record that goes on for a while on a full disk, since no read is answered without it.

    Args:
        record: where entries go.
        path: a file on the same disk; its blocks are the reserve.
    """

    def __init__(self, record: Record, path: Path):
        self._record, self._path = record, path
        self._giving = threading.Lock()

    def append(self, entry: Mapping[str, Any]) -> None:
        """Return after the entry is on disk; see `append_all`."""
        self.append_all((entry,))

    def append_all(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Return after the entries are on disk; from any thread.

        Of many that met a full disk some may stand there twice, but none is missing.

        Raises:
            OSError: not all could be written, and a full disk's reserve is used up.
        """
        while True:
            try:
                self._record.append_all(entries)
            except OSError as error:
                if error.errno not in _FULL or not self._give_up_some():
                    raise
            else:
                return

    def refill(self) -> None:
        """Bring the reserve to its full size as soon as the disk has room for it."""
        with self._giving:
            have = self._path.stat().st_size if self._path.exists() else 0
            free = shutil.disk_usage(self._path.parent).free
            if have == RESERVE_BYTES or free < RESERVE_BYTES - have + FREE_BYTES_MIN // 2:
                return
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            except OSError as error:  # the next round tries again
                log.warning("no room is kept for the record: %s", error)
            finally:
                os.close(descriptor)

    def _give_up_some(self) -> bool:
        """Free a part of the reserve; return False when nothing is left."""
        with self._giving:
            have = self._path.stat().st_size if self._path.exists() else 0
            if not have:
                return False
            if have == RESERVE_BYTES:
                log.error("the disk is full: the record lives on its reserve; make room")
            os.truncate(self._path, max(0, have - STEP_BYTES))
            return True
