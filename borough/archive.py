"""Archives that a backup made: checked whole before anything is taken out of one."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from borough.home import HomeError

MANIFEST = "manifest.json"
FORM = 1
MANIFEST_BYTES_MAX = 100_000_000
_CHUNK_BYTES = 1_048_576
_TOP = frozenset(
    {
        *("registry.sqlite", "history.duckdb", "borough.toml", "authority", "audit"),
        *("compose", "secrets", "states", "objects"),
    }
)
"""What lies in a home and may be brought back into one."""


class Content(NamedTuple):
    """What an archive says of itself."""

    at: int
    """When it was made, milliseconds since 1970 UTC."""
    files: int
    size: int
    """Bytes of all files together."""


def check(path: Path) -> Content:
    """Read an archive whole and hold it against its manifest.

    Raises:
        HomeError: it is none, was broken off, or was changed; the sentence names the file.
    """
    found: dict[str, dict[str, Any]] = {}
    manifest = None
    with _opened(path) as archive:
        for entry in archive:
            stream = archive.extractfile(entry) if entry.isreg() else None
            if stream is None or not _proper(entry.name):
                raise HomeError(f"{path} holds {entry.name!r}, which is in no backup of Borough")
            if entry.name == MANIFEST:
                manifest = _manifest(path, stream.read(MANIFEST_BYTES_MAX))
            else:
                found[entry.name] = {"size": entry.size, "sha256": _digest(stream)}
    if manifest is None:
        raise HomeError(f"{path} ends before its manifest: it was broken off; use another backup")
    for name in sorted(found.keys() | manifest["files"].keys()):
        if found.get(name) != manifest["files"].get(name):
            raise HomeError(f"{path}: {name} is not what was packed; use another backup")
    return Content(manifest["at"], len(found), sum(file["size"] for file in found.values()))


def unpack(path: Path, folder: Path) -> None:
    """Write every file of a checked archive below a folder; return once all are on disk."""
    with _opened(path) as archive:
        for entry in archive:
            stream = archive.extractfile(entry)
            if stream is None or entry.name == MANIFEST:
                continue
            target = folder / entry.name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                for piece in _pieces(stream):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, "r:") as archive:
            yield archive
    except tarfile.TarError as error:
        raise HomeError(f"{path} is no whole backup ({error}); use another one") from error
    except OSError as error:
        raise HomeError(f"{path} cannot be read: {error}") from error


def _proper(name: str) -> bool:
    path = PurePosixPath(name)
    plain = not path.is_absolute() and ".." not in path.parts and str(path) == name
    return plain and (name == MANIFEST or path.parts[0] in _TOP)


def _manifest(path: Path, data: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(data)
        form = manifest["form"]
    except (ValueError, KeyError, TypeError):
        raise HomeError(f"{path}: its manifest cannot be read; use another backup") from None
    if form != FORM:
        raise HomeError(f"{path} has form {form}, this version reads {FORM}: use the newer version")
    return dict(manifest)


def _digest(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in _pieces(stream):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    while piece := stream.read(_CHUNK_BYTES):
        yield piece
