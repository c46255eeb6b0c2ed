"""The ledger: which samples the broker acknowledged, on disk before they count.

A line is ``[address, milliseconds, value]`` as JSON. A line without its end was torn by a crash:
it was never counted and is cut off when the ledger goes on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from borough.demo.devices.sample import Reading
from borough.demo.limits import LEDGER_SEGMENT_BYTES_MAX

SUFFIX = ".ledger"


class Ledger:
    """Appends to numbered files ``<name>-<number>.ledger`` of a folder; one writer per name."""

    def __init__(self, folder: Path, name: str, segment_bytes: int = LEDGER_SEGMENT_BYTES_MAX):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._name = name
        self._segment_bytes = segment_bytes
        self._waiting: list[Reading] = []
        self.counted = 0
        """Samples on disk since this ledger was opened."""
        numbers = [segment_number(path) for path in folder.glob(f"{name}-*{SUFFIX}")]
        self._file = self._open(max(numbers, default=1))

    def add(self, readings: tuple[Reading, ...]) -> None:
        """Take acknowledged readings; they count once `flush` has returned."""
        self._waiting.extend(readings)

    @property
    def waiting(self) -> bool:
        """True when there is something to flush."""
        return bool(self._waiting)

    def flush(self) -> None:
        """Write what waits; returns after fsync.

        Raises:
            OSError: it could not be written, and does not count.
        """
        if not self._waiting:
            return
        lines = b"".join(
            json.dumps(reading, separators=(",", ":")).encode() + b"\n" for reading in self._waiting
        )
        self._file.write(lines)
        self._file.flush()
        os.fsync(self._file.fileno())
        self.counted += len(self._waiting)
        self._waiting.clear()
        if self._file.tell() >= self._segment_bytes:
            number = segment_number(Path(self._file.name))
            self._file.close()
            self._file = self._open(number + 1)

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        self._file.close()

    def _open(self, number: int) -> BinaryIO:
        path = self._folder / f"{self._name}-{number:06}{SUFFIX}"
        file = path.open("a+b")
        file.seek(0)
        whole = 0
        for line in file:
            if line.endswith(b"\n"):
                whole += len(line)
        file.truncate(whole)
        file.seek(0, os.SEEK_END)
        return file


def segments(folder: Path) -> list[Path]:
    """Return every ledger file of a folder, by name and number."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def segment_number(path: Path) -> int:
    """Return the number in a ledger file's name."""
    return int(path.stem.rpartition("-")[2])


def read_segment(path: Path) -> Iterator[Reading]:
    """Yield the samples that a ledger file counts; a torn last line is none."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield Reading(*json.loads(line))
