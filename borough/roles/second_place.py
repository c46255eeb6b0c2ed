"""The second place of checkpoints: a folder on another disk or machine, such as a mounted share."""

from __future__ import annotations

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)

_STEP_BYTES = 1_048_576


class SecondPlace:
    """Keeps a copy of the file of checkpoints that only ever grows.

    A place that cannot be reached is caught up with later. A copy that is not the beginning of our
    file, as after a restore, is left as it is, and the next one is begun beside it.

    Args:
        folder: The second place.
        source: The file of checkpoints.
        key: The public key's file.
    """

    def __init__(self, folder: Path, source: Path, key: Path) -> None:
        self._folder, self._source, self._key = folder, source, key
        self._copy: Path | None = None
        self.reached = True
        """False while the last attempt failed."""

    def catch_up(self) -> None:
        """Copy what the second place lacks; a failure is logged once and tried again next time."""
        try:
            if self._copy is None:
                self._copy = self._fitting()
                self._write(self._folder / self._key.name, self._key.read_bytes())
            self._extend(self._copy)
        except OSError as error:
            if self.reached:
                log.warning("checkpoints do not reach %s: %s", self._folder, error)
            self._copy, self.reached = None, False
            return
        self.reached = True

    def _fitting(self) -> Path:
        """Return the copy to go on with: one that is a beginning of our file, or a new one."""
        number = 1
        while True:
            suffix = "" if number == 1 else f"-{number}"
            copy = self._folder / f"{self._source.stem}{suffix}{self._source.suffix}"
            if not copy.exists() or self._begins(copy):
                return copy
            number += 1

    def _begins(self, copy: Path) -> bool:
        size = copy.stat().st_size
        if not self._source.exists() or size > self._source.stat().st_size:
            return False
        with copy.open("rb") as theirs, self._source.open("rb") as ours:
            while part := theirs.read(_STEP_BYTES):
                if part != ours.read(len(part)):
                    return False
        return True

    def _extend(self, copy: Path) -> None:
        """Append whole lines alone: a torn one is taken back from our file, but not from there."""
        if not self._source.exists():
            return
        begin = copy.stat().st_size if copy.exists() else 0
        with self._source.open("rb") as ours:
            ours.seek(begin)
            while whole := _whole_lines(ours.read(_STEP_BYTES)):
                self._write(copy, whole, append=True)
                begin += len(whole)
                ours.seek(begin)

    def _write(self, path: Path, data: bytes, *, append: bool = False) -> None:
        how = os.O_APPEND if append else os.O_TRUNC
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, 0o600)
        with os.fdopen(file, "wb") as written:
            written.write(data)
            written.flush()
            os.fsync(written.fileno())


def _whole_lines(part: bytes) -> bytes:
    return part[: part.rfind(b"\n") + 1]
