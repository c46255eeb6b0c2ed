"""What the registry raises beside `Missing` and `Conflict`, each with what to do next.

::

    RegistryError              (ciaas.ports)
    ├── Missing                (ciaas.ports)
    ├── Conflict               (ciaas.ports)
    │   └── QuotaReached       the project has as much as it may have
    ├── Unavailable            busy, disk full, read-only: nothing was changed
    └── Unusable               the file is missing, damaged or no registry
        ├── SchemaTooOld       `borough up` migrates it
        └── SchemaTooNew       a newer version has written it
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from ciaas.limits import REGISTRY_BUSY_S
from ciaas.ports import Conflict, RegistryError
from security.aaa.errors import OverQuota


class Unavailable(RegistryError):
    """Nothing was changed; the same call may succeed later."""


class QuotaReached(OverQuota, Conflict):
    """A project has as many endpoints or points as its quota allows; nothing was changed."""


class Unusable(RegistryError):
    """The file cannot serve as a registry."""


class SchemaTooOld(Unusable):
    """The file was written by an older version."""


class SchemaTooNew(Unusable):
    """The file was written by a newer version."""


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite reports about its file into one clear sentence."""
    try:
        yield
    except sa.exc.TimeoutError as error:
        raise Unavailable(
            f"{path}: all connections were busy for {REGISTRY_BUSY_S:g} s; try again"
        ) from error
    except (sa.exc.DatabaseError, sqlite3.DatabaseError) as error:
        cause = error.orig if isinstance(error, sa.exc.DatabaseError) else error
        if (refusal := _refusal(path, cause)) is None:
            raise
        raise refusal from error


def _refusal(path: Path, cause: BaseException | None) -> RegistryError | None:
    name = getattr(cause, "sqlite_errorname", "")
    # Extended codes such as SQLITE_IOERR_WRITE begin with the plain one.
    match name.split("_")[1:2]:
        case ["BUSY" | "LOCKED"]:
            return Unavailable(
                f"{path} was held by another process for {REGISTRY_BUSY_S:g} s; try again"
            )
        case ["FULL"]:
            return Unavailable(f"{path}: the disk is full, nothing was changed; free some space")
        case ["IOERR" | "CANTOPEN" | "READONLY"]:
            return Unavailable(f"{path} cannot be used ({cause}): check disk and permissions")
        case ["CORRUPT" | "NOTADB"]:
            return Unusable(
                f"{path} is damaged or not an SQLite database: restore it from a backup, "
                "or move it away to start with an empty registry"
            )
    return None
