"""The spool: frames on disk until the stream has them, in order, each under a number of its own.

Every frame is stored here before it is published. A number is never used twice, also after kill -9
or when everything was handed over, so the stream recognises a frame that is published again. A
spool that was deleted starts as another source.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from ciaas.kernel.columns import decode, encode
from ciaas.kernel.sample import Frame
from ciaas.limits import GAPS_KEPT_MAX, SPOOL_BYTES_MAX, SPOOL_PAGE_FRAMES

_SCHEMA = """
CREATE TABLE IF NOT EXISTS spool (one INTEGER PRIMARY KEY CHECK (one = 1), birth TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS frame (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    samples INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS gap (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    samples INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS last (
    point INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    num REAL,
    txt TEXT,
    verdict INTEGER NOT NULL,
    reason INTEGER NOT NULL
);
"""


_BUSY_S = 5.0
_ONE_OUTAGE_MS = 60_000
"""Losses closer together than this are one gap."""


class SpoolFailed(Exception):
    """The disk refused: nothing was stored, and the same call may succeed later."""


class Spooled(NamedTuple):
    """A frame waiting to be handed over."""

    sequence: int
    frame: Frame


class Last(NamedTuple):
    """What was last stored of one point; columns as in `ciaas.kernel.sample.Frame`."""

    point: int
    kind: int
    num: float | None
    txt: str | None
    verdict: int
    reason: int


class Gap(NamedTuple):
    """Samples that were read and lost before the stream had them. Times are of observation."""

    samples: int
    first: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True)
class SpoolLevel:
    """How much waits, and how much was lost."""

    frames: int
    samples: int
    bytes: int
    lost: int
    """Samples in all gaps recorded."""


class Spool:
    """One file in one directory, used by one process. Methods may be called from any thread."""

    def __init__(
        self,
        directory: Path,
        name: str,
        bytes_max: int = SPOOL_BYTES_MAX,
        busy_s: float = _BUSY_S,
    ) -> None:
        """Open or create; a process that has just ended is waited for up to ``busy_s``.

        Raises:
            SpoolFailed: the directory cannot be written.
        """
        self._bytes_max = bytes_max
        self._lock = Lock()
        path = directory / f"{name}.spool"
        database: sqlite3.Connection | None = None
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._database = database = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=busy_s
            )
            with closing(self._database.cursor()) as cursor:
                cursor.execute("PRAGMA locking_mode = EXCLUSIVE")
                cursor.execute("PRAGMA journal_mode = WAL")
                cursor.execute("PRAGMA synchronous = FULL")
                cursor.executescript(_SCHEMA)
                cursor.execute("INSERT OR IGNORE INTO spool VALUES (1, ?)", [secrets.token_hex(4)])
                (birth,) = cursor.execute("SELECT birth FROM spool").fetchone()
                (self._bytes,) = cursor.execute(
                    "SELECT coalesce(sum(length(body)), 0) FROM frame"
                ).fetchone()
        except (OSError, sqlite3.Error) as error:
            if database is not None:
                database.close()
            raise SpoolFailed(
                f"cannot use the spool {path}: {error}; "
                "make its directory writable and see that no other process has it open"
            ) from error
        self.source = f"{name}.{birth}"
        """Names this spool for ever; part of every message id."""

    def append(self, frame: Frame, kept: Frame | None = None) -> int:
        """Store a frame and return its number; returns after fsync.

        When there is no room, the oldest frames make it, and the gap is recorded. Of ``kept``, rows
        of the same frame, each point's last one stays after the frame has gone; see `last`.

        Raises:
            SpoolFailed: nothing was stored.
        """
        body = encode(frame)
        with self._lock, _refusals():
            database = self._database
            database.execute("BEGIN IMMEDIATE")
            try:
                freed = self._make_room(self._bytes + len(body) - self._bytes_max)
                cursor = database.execute(
                    "INSERT INTO frame (samples, first, last, body) VALUES (?, ?, ?, ?)",
                    [len(frame), int(frame.observed.min()), int(frame.observed.max()), body],
                )
                if kept is not None:
                    database.executemany(
                        "INSERT OR REPLACE INTO last VALUES (?, ?, ?, ?, ?, ?)", _last_rows(kept)
                    )
                database.execute("COMMIT")
            except BaseException:
                _undo(database)
                raise
            self._bytes += len(body) - freed
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def last(self, points: Collection[int]) -> Sequence[Last]:
        """Return the last row of each of these points that `append` was told to keep."""
        with self._lock, _refusals():
            found = [
                self._database.execute("SELECT * FROM last WHERE point = ?", [point]).fetchone()
                for point in points
            ]
        return [Last(*row) for row in found if row is not None]

    def waiting(self, after: int = 0) -> Sequence[Spooled]:
        """Return the oldest frames above a number, at most a page of them, in order.

        Raises:
            SpoolFailed: the file cannot be read.
        """
        with self._lock, _refusals():
            rows = self._database.execute(
                "SELECT sequence, body FROM frame WHERE sequence > ? ORDER BY sequence LIMIT ?",
                [after, SPOOL_PAGE_FRAMES],
            ).fetchall()
        return [Spooled(sequence, decode(body)) for sequence, body in rows]

    def handed_over(self, upto: int) -> None:
        """Remove the frames up to a number, that one included: the stream has them.

        Raises:
            SpoolFailed: they stay, and will be published again under the same ids.
        """
        with self._lock, _refusals():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                (freed,) = self._database.execute(
                    "SELECT coalesce(sum(length(body)), 0) FROM frame WHERE sequence <= ?", [upto]
                ).fetchone()
                self._database.execute("DELETE FROM frame WHERE sequence <= ?", [upto])
                self._database.execute("COMMIT")
            except BaseException:
                _undo(self._database)
                raise
            self._bytes -= freed

    def record_gap(self, gap: Gap) -> None:
        """Remember samples that were lost before they could be stored here.

        Raises:
            SpoolFailed: nothing was recorded.
        """
        with self._lock, _refusals():
            self._insert_gap(gap)

    def gaps(self) -> Sequence[Gap]:
        """Return what was lost, oldest first."""
        with self._lock, _refusals():
            rows = self._database.execute(
                "SELECT samples, first, last, reason FROM gap ORDER BY number"
            ).fetchall()
        return [Gap(*row) for row in rows]

    def level(self) -> SpoolLevel:
        """Return how full the spool is."""
        with self._lock, _refusals():
            frames, samples = self._database.execute(
                "SELECT count(*), coalesce(sum(samples), 0) FROM frame"
            ).fetchone()
            (lost,) = self._database.execute("SELECT coalesce(sum(samples), 0) FROM gap").fetchone()
            return SpoolLevel(frames, samples, self._bytes, lost)

    def close(self) -> None:
        """Release the file; may be called twice."""
        with self._lock:
            self._database.close()

    def _make_room(self, excess: int) -> int:
        """Drop the oldest frames until ``excess`` bytes are free; return the bytes freed."""
        freed = 0
        while freed < excess:
            oldest = self._database.execute(
                "SELECT sequence, samples, first, last, length(body) FROM frame"
                " ORDER BY sequence LIMIT 1"
            ).fetchone()
            if oldest is None:
                break
            sequence, samples, first, last, size = oldest
            self._database.execute("DELETE FROM frame WHERE sequence = ?", [sequence])
            self._insert_gap(Gap(samples, first, last, "spool full"))
            freed += size
        return freed

    def _insert_gap(self, gap: Gap) -> None:
        """Record a gap; one more of the same reason widens the newest, as one outage is one gap."""
        newest = self._database.execute(
            "SELECT number, samples, first, last FROM gap WHERE reason = ?"
            " AND number = (SELECT max(number) FROM gap)",
            [gap.reason],
        ).fetchone()
        if newest is not None and gap.first - newest[3] <= _ONE_OUTAGE_MS:
            number, samples, first, last = newest
            self._database.execute(
                "UPDATE gap SET samples = ?, first = ?, last = ? WHERE number = ?",
                [samples + gap.samples, min(first, gap.first), max(last, gap.last), number],
            )
            return
        self._database.execute(
            "INSERT INTO gap (samples, first, last, reason) VALUES (?, ?, ?, ?)", gap
        )
        self._database.execute(
            "DELETE FROM gap WHERE number <= (SELECT max(number) FROM gap) - ?", [GAPS_KEPT_MAX]
        )


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what SQLite raises into SpoolFailed."""
    try:
        yield
    except sqlite3.Error as error:
        raise SpoolFailed(f"the spool's disk refused: {error}") from error


def _last_rows(frame: Frame) -> Iterator[tuple[object, ...]]:
    columns = (frame.point, frame.kind, frame.num, frame.txt, frame.verdict, frame.reason)
    return zip(*(column.tolist() for column in columns), strict=True)


def _undo(database: sqlite3.Connection) -> None:
    if database.in_transaction:
        database.execute("ROLLBACK")
