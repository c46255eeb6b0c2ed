"""Keys of data subjects: one file each, out of every backup, so that an erasure holds.

::

    subjects/7.key     the key of data subject 7, sealed under the key ring
    subjects/erased    numbers of those whose key was destroyed, one a line; goes where a copy goes
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from security.encryption.envelope import Envelope, SealingError
from security.encryption.private_file import (
    PrivateFileError,
    read_private,
    replace_private,
    write_private,
)
from security.encryption.rewrap import Sealed

PURPOSE = "data subjects"
ERASED_FILE = "erased"
_KEY_BYTES = 64
"""Of AES-256-SIV."""
_FILE_BYTES_MAX = 4_096
_SUFFIX = ".key"


class SubjectErased(Exception):
    """The data subject's key was destroyed; nothing is kept under it any more."""


class SubjectKeys:
    """The keys of one home's data subjects; safe from any thread."""

    def __init__(self, folder: Path, envelope: Envelope) -> None:
        self._folder, self._envelope = folder, envelope
        self._changing = threading.Lock()
        self._known: dict[int, bytes] = {}

    def make(self, number: int) -> None:
        """Make the key of a data subject that has none yet; returns once it is on disk.

        Raises:
            SubjectErased: it had one, which was destroyed.
            PrivateFileError: it could not be written.
        """
        with self._changing:
            if number in self.erased():
                raise SubjectErased
            path = self._path(number)
            if path.exists():
                return
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            key = os.urandom(_KEY_BYTES)
            write_private(path, self._envelope.seal(key, str(number)).encode())
            self._known[number] = key

    def key(self, number: int) -> bytes | None:
        """Return a data subject's key, 64 bytes; None when it was destroyed or is not here.

        Raises:
            SealingError: it does not open; the file is damaged, or of another home.
            PrivateFileError: the file cannot be read.
        """
        if (known := self._known.get(number)) is not None:
            return known
        with self._changing:
            if number in self.erased() or not self._path(number).exists():
                return None
            key = self._envelope.open(self._text(number), str(number))
            self._known[number] = key
            return key

    def erase(self, number: int) -> None:
        """Destroy a data subject's key, for ever; returns once the disk has it no more.

        Raises:
            OSError: the list of erasures could not be written; the key is as it was.
        """
        with self._changing:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if number not in self.erased():
                # First the list: after a crash in between the next start destroys the key.
                _append(self._folder / ERASED_FILE, f"{number}\n")
            self._known.pop(number, None)
            self._path(number).unlink(missing_ok=True)
            _sync(self._folder)

    def erased(self) -> frozenset[int]:
        """Return the numbers of the data subjects whose key was destroyed."""
        return erased_in(self._folder)

    # -- `security.encryption.rewrap.SealedStore`

    @property
    def purpose(self) -> str:
        """What the keys are sealed for."""
        return PURPOSE

    def count(self) -> int:
        """Return how many keys there are."""
        return len(self._numbers())

    def page(self, after: str, limit: int) -> Sequence[Sealed]:
        """Return the next sealed keys, by their number."""
        numbers = [number for number in self._numbers() if number > int(after or 0)][:limit]
        return [Sealed(str(n), str(n), self._text_or_none(n)) for n in numbers]

    def replace(self, changes: Sequence[tuple[Sealed, str]]) -> None:
        """Write keys anew; one that was destroyed meanwhile stays so.

        Raises:
            PrivateFileError: one could not be written.
        """
        for was, text in changes:
            with self._changing:
                if self._text_or_none(int(was.key)) == was.text:
                    replace_private(self._path(int(was.key)), text.encode())

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}{_SUFFIX}"

    def _text(self, number: int) -> str:
        try:
            return read_private(self._path(number), _FILE_BYTES_MAX).decode("ascii")
        except UnicodeDecodeError:
            raise SealingError(f"{self._path(number)} is damaged; restore it") from None

    def _text_or_none(self, number: int) -> str:
        try:
            return self._text(number)
        except (PrivateFileError, SealingError):  # destroyed meanwhile, or told as one that is shut
            return ""

    def _numbers(self) -> list[int]:
        return sorted(int(p.stem) for p in self._folder.glob(f"*{_SUFFIX}") if p.stem.isdigit())


def erased_in(folder: Path) -> frozenset[int]:
    """Return the numbers that a folder's list of erasures names; a torn last line is not one."""
    try:
        lines = (folder / ERASED_FILE).read_text("ascii").split("\n")[:-1]
    except FileNotFoundError:
        return frozenset()
    return frozenset(int(line) for line in lines if line.isdigit())


def _append(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # A line that a crash tore is closed first: it must not swallow this one.
        os.write(descriptor, f"\n{text}".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
