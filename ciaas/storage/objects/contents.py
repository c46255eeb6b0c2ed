"""Contents on disk, each named by its SHA-256: no name that a user gave becomes a path."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from ciaas.limits import OBJECT_BYTES_MAX, OBJECT_READ_BYTES, OBJECT_UPLOAD_AGE_S_MAX
from ciaas.storage.objects.ports import ContentMissing, NoRoom, TooLarge

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Contents:
    """A folder of contents; any thread may use it, of one process.

    A content lies at ``ab/abcd…`` and is never changed. What is being received lies in
    ``incoming``; `sweep` removes what a crash left there, and contents that no key holds.
    """

    def __init__(self, folder: Path, bytes_max: int = OBJECT_BYTES_MAX):
        self._folder, self._bytes_max = folder, bytes_max
        self._incoming = folder / "incoming"
        self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._turn = threading.Lock()
        self._pins: Counter[str] = Counter()
        """Contents that are about to get a key: the sweep leaves them."""

    def receive(self) -> Received:
        """Return a content to be written piece by piece."""
        return Received(self, self._incoming / secrets.token_hex(16), self._bytes_max)

    @contextmanager
    def kept(self, received: Received) -> Iterator[None]:
        """Put a received content in its place and keep it there for the length of the block.

        The block begins after fsync of the file and its folder. A content that no key
        holds when the block ends goes with the next `sweep`.

        Raises:
            NoRoom: the disk is full; nothing was stored.
        """
        digest = received.digest
        with self._turn:
            self._pins[digest] += 1
        try:
            with _room():
                self._place(received, digest)
            yield
        finally:
            with self._turn:
                self._pins[digest] -= 1
                if not self._pins[digest]:
                    del self._pins[digest]

    def open(self, digest: str) -> BinaryIO:
        """Return a content opened for reading; it stays readable though it is removed meanwhile.

        Raises:
            ContentMissing: there is none.
        """
        try:
            return self._path(digest).open("rb")
        except FileNotFoundError:
            raise ContentMissing(f"no content is {digest}") from None

    def remove(self, digest: str, held: Callable[[str], bool]) -> bool:
        """Remove a content unless a key holds it or is about to; tells whether it did."""
        with self._turn:
            if self._pins[digest] or held(digest):
                return False
            self._path(digest).unlink(missing_ok=True)
            return True

    def sweep(self, held: Callable[[str], bool]) -> int:
        """Remove uploads that ended long ago and contents that no key holds; returns how many."""
        removed = 0
        oldest = time.time() - OBJECT_UPLOAD_AGE_S_MAX
        for upload in self._incoming.iterdir():
            if upload.stat().st_mtime < oldest:
                upload.unlink(missing_ok=True)
                removed += 1
        for folder in self._folder.iterdir():
            if len(folder.name) == 2:
                for file in folder.iterdir():
                    removed += self.remove(file.name, held)
        return removed

    def used_bytes(self) -> int:
        """Return what all contents take on the disk together."""
        return sum(
            file.stat().st_size for folder in self._folder.iterdir() for file in folder.iterdir()
        )

    def _place(self, received: Received, digest: str) -> None:
        path = self._path(digest)
        received.settle()
        if path.exists():
            received.discard()
            return
        path.parent.mkdir(mode=0o700, exist_ok=True)
        received.path.replace(path)
        _sync(path.parent)
        _sync(self._folder)

    def _path(self, digest: str) -> Path:
        assert _DIGEST.fullmatch(digest), "only digests become paths"
        return self._folder / digest[:2] / digest


class Received:
    """A content on its way in. As a context manager it leaves nothing behind that was not kept."""

    def __init__(self, contents: Contents, path: Path, bytes_max: int):
        self.path = path
        self.bytes = 0
        self._contents, self._bytes_max = contents, bytes_max
        self._hash = hashlib.sha256()
        with _room():
            self._file = path.open("xb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self.discard()

    @property
    def digest(self) -> str:
        """SHA-256 of what has come so far, hex."""
        return self._hash.hexdigest()

    def write(self, piece: bytes) -> None:
        """Append a piece.

        Raises:
            TooLarge: the bound of one object is passed.
            NoRoom: the disk is full.
        """
        self.bytes += len(piece)
        if self.bytes > self._bytes_max:
            raise TooLarge(f"an object has at most {self._bytes_max:,} bytes: store it in parts")
        self._hash.update(piece)
        with _room():
            self._file.write(piece)

    def settle(self) -> None:
        """Have all that was written on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def discard(self) -> None:
        """Leave nothing of it."""
        self.path.unlink(missing_ok=True)


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """Yield an opened content piece by piece, and close it at the end."""
    with file:
        while piece := file.read(OBJECT_READ_BYTES):
            yield piece


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise NoRoom("the disk is full; nothing was stored, free some space") from error
        raise


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
