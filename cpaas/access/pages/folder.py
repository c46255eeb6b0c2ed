"""The built console, held in memory: a path is looked up among what was built, never opened."""

from __future__ import annotations

import fcntl
import hashlib
import json
import mimetypes
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from cpaas.limits import PAGES_BYTES_MAX, PAGES_LOOK_EACH_S

ENTRY = "index.html"
"""The one document; every page of the console is this one."""
STAMP = "built.json"
"""Written last by the build: the digest of what it was built from. Without it nothing is served."""
STATE = "state.json"
"""How far the build is, beside the folder of what was built."""
LOCK = "lock"
"""Held by who builds; free again however the build ended."""
_GZIP = ".gz"
_TYPES = {".js": "text/javascript; charset=utf-8", ".woff2": "font/woff2"}
"""What the machine's own table of types may not know or may say otherwise."""


@dataclass(frozen=True, slots=True)
class File:
    """One file as it goes over the wire. ``gzip`` is None where that would not make it smaller."""

    plain: bytes
    gzip: bytes | None
    media_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the build of the console is."""

    step: str
    """What is being done now, in words; empty when nobody builds."""
    failed: str | None = None
    """Why the build ended without a console, and what to do; None while there is hope."""


class PageFolder:
    """What the build left in a folder, read again when the build has left something new.

    Args:
        folder: ``dist`` holds what was built, ``state.json`` how far a build is.
        monotonic: Seconds, for looking at the folder not more often than PAGES_LOOK_EACH_S.
    """

    def __init__(self, folder: Path, monotonic: Callable[[], float] = time.monotonic):
        self._folder, self._built = folder, folder / "dist"
        self._monotonic = monotonic
        self._looked: float | None = None
        self._stamp = ""
        self._files: Mapping[str, File] = {}

    def files(self) -> Mapping[str, File]:
        """Return the files by their path, empty as long as nothing is built.

        Reads from the disk when something new was built: call it from a thread.
        """
        now = self._monotonic()
        if self._looked is None or now - self._looked >= PAGES_LOOK_EACH_S:
            self._looked = now
            self._look()
        return self._files

    def progress(self) -> Progress:
        """Return how far the build is; call it from a thread."""
        try:
            found = json.loads((self._folder / STATE).read_text("utf-8"))
            step, failed = str(found["step"]), found["failed"]
        except (OSError, ValueError, KeyError):  # no build yet
            return Progress("")
        return Progress(step if self._being_built() else "", failed)

    def _being_built(self) -> bool:
        with (self._folder / LOCK).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False  # closing the file lets go

    def _look(self) -> None:
        try:
            stamp = (self._built / STAMP).read_text("utf-8")
        except OSError:
            return  # between two builds the one before goes on being served
        if stamp != self._stamp:
            try:
                self._files = MappingProxyType(_read(self._built))
            except OSError:
                return  # replaced while it was read: the next look finds it whole
            self._stamp = stamp


def _read(folder: Path) -> dict[str, File]:
    """Return every file below the folder, at most PAGES_BYTES_MAX together."""
    found: dict[str, File] = {}
    total = 0
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix == _GZIP or path.name == STAMP:
            continue
        plain = path.read_bytes()
        packed = path.with_name(path.name + _GZIP)
        gzip = packed.read_bytes() if packed.is_file() else None
        total += len(plain) + len(gzip or b"")
        if total > PAGES_BYTES_MAX:
            raise OSError(f"the built console has more than {PAGES_BYTES_MAX} bytes")
        kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
        found[path.relative_to(folder).as_posix()] = File(
            plain,
            gzip,
            kind or "application/octet-stream",
            f'"{hashlib.sha256(plain).hexdigest()[:32]}"',
        )
    return found
