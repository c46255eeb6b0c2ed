"""Keys of data subjects: one file each, out of every backup, so that an erasure holds.

::

    subjects/<id>.key    the key of a data subject, sealed under the key ring
    subjects/erased      ids of those whose key was destroyed, one a line; goes where a copy goes

An id is 32 hexadecimal digits, drawn at random: a number that counts would be given again after an
older backup came back, to somebody else.
"""

from __future__ import annotations

import os
import re
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
_ID = re.compile(r"[0-9a-f]{32}")


class SubjectErased(Exception):
    """The data subject's key was destroyed; nothing is kept under it any more."""


class SubjectKeys:
    """The keys of one home's data subjects; safe from any thread."""

    def __init__(self, folder: Path, envelope: Envelope) -> None:
        self._folder, self._envelope = folder, envelope
        self._changing = threading.Lock()
        self._known: dict[str, bytes] = {}

    def make(self, id_: str) -> None:
        """Make the key of a data subject that has none yet; returns once it is on disk.

        Raises:
            SubjectErased: it had one, which was destroyed.
            PrivateFileError: it could not be written.
        """
        with self._changing:
            if id_ in self.erased():
                raise SubjectErased
            path = self._path(id_)
            if path.exists():
                return
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            key = os.urandom(_KEY_BYTES)
            write_private(path, self._envelope.seal(key, id_).encode())
            self._known[id_] = key

    def key(self, id_: str) -> bytes | None:
        """Return a data subject's key, 64 bytes; None when it was destroyed or is not here.

        Raises:
            SealingError: it does not open; the file is damaged, or of another home.
            PrivateFileError: the file cannot be read.
        """
        if (known := self._known.get(id_)) is not None:
            return known
        with self._changing:
            if id_ in self.erased() or not self._path(id_).exists():
                return None
            key = self._envelope.open(self._text(id_), id_)
            self._known[id_] = key
            return key

    def erase(self, id_: str) -> None:
        """Destroy a data subject's key, for ever; returns once the disk has it no more.

        Raises:
            OSError: the list of erasures could not be written; the key is as it was.
        """
        with self._changing:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if id_ not in self.erased():
                # First the list: after a crash in between the next start destroys the key.
                _append(self._folder / ERASED_FILE, f"{id_}\n")
            self._known.pop(id_, None)
            self._path(id_).unlink(missing_ok=True)
            _sync(self._folder)

    def erased(self) -> frozenset[str]:
        """Return the ids of the data subjects whose key was destroyed."""
        return erased_in(self._folder)

    # -- `security.encryption.rewrap.SealedStore`

    @property
    def purpose(self) -> str:
        """What the keys are sealed for."""
        return PURPOSE

    def count(self) -> int:
        """Return how many keys there are."""
        return len(self._ids())

    def page(self, after: str, limit: int) -> Sequence[Sealed]:
        """Return the next sealed keys, by their id."""
        found = [id_ for id_ in self._ids() if id_ > after][:limit]
        return [Sealed(id_, id_, self._text_or_none(id_)) for id_ in found]

    def replace(self, changes: Sequence[tuple[Sealed, str]]) -> None:
        """Write keys anew; one that was destroyed meanwhile stays so.

        Raises:
            PrivateFileError: one could not be written.
        """
        for was, text in changes:
            with self._changing:
                if self._text_or_none(was.key) == was.text:
                    replace_private(self._path(was.key), text.encode())

    def _path(self, id_: str) -> Path:
        assert _ID.fullmatch(id_), "an id of ours, never a path"
        return self._folder / f"{id_}{_SUFFIX}"

    def _text(self, id_: str) -> str:
        try:
            return read_private(self._path(id_), _FILE_BYTES_MAX).decode("ascii")
        except UnicodeDecodeError:
            raise SealingError(f"{self._path(id_)} is damaged; restore it") from None

    def _text_or_none(self, id_: str) -> str:
        try:
            return self._text(id_)
        except (PrivateFileError, SealingError):  # destroyed meanwhile, or told as one that is shut
            return ""

    def _ids(self) -> list[str]:
        found = (path.stem for path in self._folder.glob(f"*{_SUFFIX}"))
        return sorted(id_ for id_ in found if _ID.fullmatch(id_))


def copy_keys(folder: Path, to: Path) -> None:
    """Copy the keys of data subjects into an empty folder, but for those that were erased.

    Raises:
        PrivateFileError: one cannot be read or written.
    """
    erased = erased_in(folder)
    for path in sorted(folder.iterdir()):
        is_key = path.suffix == _SUFFIX and bool(_ID.fullmatch(path.stem))
        if path.name == ERASED_FILE or (is_key and path.stem not in erased):
            write_private(to / path.name, path.read_bytes())


def erased_in(folder: Path) -> frozenset[str]:
    """Return the ids that a folder's list of erasures names; a torn last line is not one."""
    try:
        lines = (folder / ERASED_FILE).read_text("ascii").split("\n")[:-1]
    except FileNotFoundError:
        return frozenset()
    return frozenset(line for line in lines if _ID.fullmatch(line))


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
