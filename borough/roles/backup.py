"""A backup: one consistent copy of the home, packed as a tar while it is sent.

::

    commits held for a moment ─┬─ snapshot of history ──> copied at leisure
                               └─ registry and what compose remembers, copied at once
    record up to its last entry, certificates, settings, objects

What lies in the registry then speaks of no commit that history lacks, and history of no point that
the registry lacks. The record is packed last, so that it has every entry that a checkpoint in the
registry tells of. The key file is never packed, nor what waits in the broker and in the spool of
adapters, which field holds for itself alone.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import tarfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from borough.archive import FORM, MANIFEST
from borough.home import FREE_BYTES_MIN, Home
from ciaas.ports import Conflict, DiskFull
from ciaas.storage.chains import CHAINS_FILE
from ciaas.storage.copies import copy_sqlite, is_sqlite
from ciaas.storage.history import DuckHistory
from ciaas.storage.record import RecordFile

_CHUNK_BYTES = 262_144
_BLOCK = tarfile.BLOCKSIZE
_FOLDERS = ("secrets", "states", "objects")
"""Copied file by file; their files are written once, replaced whole, or SQLite."""


class _Part(NamedTuple):
    name: str
    """Within the home."""
    path: Path
    size: int


class Backup:
    """Makes one backup at a time.

    Args:
        home: What is backed up.
        history: Open in this process.
        record: Likewise.
        clock_ms: Milliseconds since 1970 UTC.
    """

    def __init__(
        self, home: Home, history: DuckHistory, record: RecordFile, clock_ms: Callable[[], int]
    ) -> None:
        self._home, self._history, self._record = home, history, record
        self._clock_ms = clock_ms
        self._turn = threading.Lock()

    def pack(self) -> Iterator[bytes]:
        """Return the pieces of the archive; everything that can fail has happened before.

        The last member is the manifest, with the size and SHA-256 of every other one.

        Raises:
            Conflict: another backup is under way.
            DiskFull: there is no room for the copies.
        """
        if not self._turn.acquire(blocking=False):
            raise Conflict("another backup is under way; wait for its end")
        folder = self._home.run / "backup"
        try:
            self._refuse_without_room()
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            parts = self._copies(folder)
        except BaseException:
            self._tidy(folder)
            raise
        pieces = self._pieces(parts, folder)
        next(pieces)  # begun, so that it tidies up even if nobody takes a piece
        return pieces

    def _refuse_without_room(self) -> None:
        need = FREE_BYTES_MIN + sum(
            path.stat().st_size for path in (self._home.history, self._home.registry)
        )
        free = shutil.disk_usage(self._home.path).free
        if free < need:
            raise DiskFull(
                f"a backup needs {need // 10**6} MB for its copies on the disk of the home, "
                f"{free // 10**6} MB are free"
            )

    def _copies(self, folder: Path) -> Sequence[_Part]:
        home = self._home

        def held() -> None:
            copy_sqlite(home.registry, folder / "registry.sqlite")
            _copy_folder(home.compose, folder / "compose")

        try:
            history = self._history.copy(held)
            for name in _FOLDERS:
                _copy_databases(home.path / name, folder / name)
        except (sqlite3.Error, OSError) as error:
            raise DiskFull(f"the copies of a backup cannot be written: {error}") from error
        try:
            return self._gathered(history, folder)
        except FileNotFoundError as error:
            raise Conflict(
                f"{error.filename} went away while it was packed; make the backup again"
            ) from None

    def _gathered(self, history: Path, folder: Path) -> Sequence[_Part]:
        """Return what is packed, in its order."""
        home = self._home
        found = [
            _part("history.duckdb", history),
            _part("registry.sqlite", folder / "registry.sqlite"),
            *_parts("compose", folder / "compose"),
        ]
        for name in _FOLDERS:
            copied = {part.name: part for part in _parts(name, folder / name)}
            plain = {p.name: p for p in _parts(name, home.path / name) if not _is_log(p.path)}
            found += (plain | copied).values()
        found += _parts("authority", home.authority)
        settings = home.path / "borough.toml"
        found += [_part(settings.name, settings)] if settings.exists() else []
        for name in ("checkpoints.jsonl", "checkpoint.pub", CHAINS_FILE):
            path = home.audit / name
            found += [_part(f"audit/{name}", path)] if path.exists() else []
        extent = self._record.extent()
        return [*found, *(_Part(f"audit/{path.name}", path, size) for path, size in extent)]

    def _pieces(self, parts: Sequence[_Part], folder: Path) -> Iterator[bytes]:
        files = {}
        try:
            yield b""
            for part in parts:
                digest = hashlib.sha256()
                yield self._header(part.name, part.size)
                for piece in _read(part):
                    digest.update(piece)
                    yield piece
                yield bytes(-part.size % _BLOCK)
                files[part.name] = {"size": part.size, "sha256": digest.hexdigest()}
            manifest = json.dumps(
                {"form": FORM, "at": self._clock_ms(), "files": files}, sort_keys=True
            ).encode()
            yield self._header(MANIFEST, len(manifest)) + manifest
            yield bytes(-len(manifest) % _BLOCK + 2 * _BLOCK)
        finally:
            self._tidy(folder)

    def _header(self, name: str, size: int) -> bytes:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode, entry.mtime = size, 0o600, self._clock_ms() // 1_000
        return entry.tobuf(tarfile.PAX_FORMAT)

    def _tidy(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self._home.history.with_name(self._home.history.name + ".copy").unlink(missing_ok=True)
        self._turn.release()


def _part(name: str, path: Path) -> _Part:
    return _Part(name, path, path.stat().st_size)


def _parts(name: str, folder: Path) -> list[_Part]:
    if not folder.exists():
        return []
    return [
        _part(f"{name}/{path.relative_to(folder)}", path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    ]


def _is_log(path: Path) -> bool:
    """Tell whether it is a log beside a database, which the copy of the database has taken in."""
    return path.name.endswith(("-wal", "-shm", "-journal"))


def _copy_databases(folder: Path, to: Path) -> None:
    for part in _parts("", folder):
        if not _is_log(part.path) and is_sqlite(part.path):
            target = to / part.path.relative_to(folder)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            copy_sqlite(part.path, target)


def _copy_folder(folder: Path, to: Path) -> None:
    _copy_databases(folder, to)
    for part in _parts("", folder):
        target = to / part.path.relative_to(folder)
        if not target.exists() and not _is_log(part.path):
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(part.path, target)


def _read(part: _Part) -> Iterator[bytes]:
    """Yield exactly the bytes announced; raises OSError for a file that became shorter."""
    left = part.size
    with part.path.open("rb") as file:
        while left and (piece := file.read(min(_CHUNK_BYTES, left))):
            left -= len(piece)
            yield piece
    if left:
        raise OSError(f"{part.name} became shorter while it was packed; make the backup again")
