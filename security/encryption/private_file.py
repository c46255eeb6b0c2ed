"""Files that hold secrets: written once, whole or not at all, and for their owner alone."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

_MODE = 0o600


class PrivateFileError(Exception):
    """The file is missing, open to others, or could not be written; the message says what to do."""


def write_private(path: Path, data: bytes) -> None:
    """Create the file with mode 0600; return once it and its name are on disk (fsync).

    Raises:
        PrivateFileError: it exists already, or could not be written; nothing is left behind.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        try:
            _write_durably(draft, data)
            # A link, unlike a rename, refuses to replace a file that is there.
            path.hardlink_to(draft)
        finally:
            draft.unlink(missing_ok=True)
        _sync_directory(path.parent)
    except FileExistsError:
        raise PrivateFileError(f"{path} exists already and is never overwritten") from None
    except OSError as error:
        raise PrivateFileError(f"{path} cannot be written: {error.strerror}") from error


def replace_private(path: Path, data: bytes) -> None:
    """Replace the file by another of mode 0600; return once it is on disk (fsync).

    After a crash either the old or the new one is there.

    Raises:
        PrivateFileError: it could not be written; the old one is there.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        try:
            _write_durably(draft, data)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        _sync_directory(path.parent)
    except OSError as error:
        raise PrivateFileError(f"{path} cannot be written: {error.strerror}") from error


def read_private(path: Path, bytes_max: int) -> bytes:
    """Return the content.

    Raises:
        PrivateFileError: missing, unreadable, longer than ``bytes_max``, or others may read it.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & ~_MODE:
                raise PrivateFileError(
                    f"{path} holds secrets but has mode {mode:04o}; if nobody else has read it,"
                    f" run: chmod 600 {path}"
                )
            data = file.read(bytes_max + 1)
    except OSError as error:
        raise PrivateFileError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > bytes_max:
        raise PrivateFileError(f"{path} is longer than {bytes_max} bytes and cannot be ours")
    return data


def _write_durably(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
