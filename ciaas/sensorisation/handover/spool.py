"""The spool: frames on disk until the stream has them, in order, each under a number of its own.

Every frame is stored here before it is published. A number is never used twice, also after kill -9
or when everything was handed over, so the stream recognises a frame that is published again. A
spool that was deleted starts as another source.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
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
    samples: int
    body: bytes
    """The frame as it travels, Arrow IPC."""

    @property
    def frame(self) -> Frame:
        """The frame decoded, each time anew."""
        return decode(self.body)


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
        self._noting = Lock()
        """For the four below; never held while the disk works."""
        self._fresh: deque[Spooled] = deque()
        """The newest frames that wait, as they were given: they are not read from disk again."""
        self._handed = 0
        """Frames up to this number were handed over; they leave the disk with the next write."""
        self._removed = 0
        """Frames up to this number have left the disk."""
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
                self._bytes, self._stale = cursor.execute(
                    "SELECT coalesce(sum(length(body)), 0), coalesce(max(sequence), 0) FROM frame"
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
        of the same frame, each point's last one stays after the frame has gone; see `last`. What
        was handed over meanwhile leaves the disk in the same write.

        Raises:
            SpoolFailed: nothing was stored.
        """
        body = encode(frame)
        with self._lock, _refusals():
            database = self._database
            database.execute("BEGIN IMMEDIATE")
            try:
                handed, freed = self._remove_handed()
                dropped, made = self._make_room(self._bytes - freed + len(body) - self._bytes_max)
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
            self._bytes += len(body) - freed - made
            assert cursor.lastrowid is not None
            self._note(Spooled(cursor.lastrowid, len(frame), body), handed, dropped)
        return cursor.lastrowid

    def last(self, points: Collection[int]) -> Sequence[Last]:
        """Return the last row of each of these points that `append` was told to keep."""
        with self._lock, _refusals():
            found = [
                self._database.execute("SELECT * FROM last WHERE point = ?", [point]).fetchone()
                for point in points
            ]
        return [Last(*row) for row in found if row is not None]

    def at_hand(self) -> Sequence[Spooled] | None:
        """Return the frames that wait, in order, when the disk need not be asked; at once.

        None means that older ones wait on disk: see `waiting`.
        """
        with self._noting:
            return None if self._stale > self._handed else tuple(self._fresh)

    def waiting(self, after: int = 0) -> Sequence[Spooled]:
        """Return the oldest frames above a number, at most a page of them, in order.

        Raises:
            SpoolFailed: the file cannot be read.
        """
        with self._lock, _refusals():
            rows = self._database.execute(
                "SELECT sequence, samples, body FROM frame WHERE sequence > ?"
                " ORDER BY sequence LIMIT ?",
                [max(after, self._handed), SPOOL_PAGE_FRAMES],
            ).fetchall()
        return [Spooled(*row) for row in rows]

    def handed_over(self, upto: int) -> None:
        """Forget the frames up to a number, that one included: the stream has them.

        They leave the disk with the next `append`, or by `tidy`; a process that ends before it
        publishes them again under the same ids.
        """
        with self._noting:
            self._handed = max(self._handed, upto)
            while self._fresh and self._fresh[0].sequence <= self._handed:
                self._fresh.popleft()

    def tidy(self) -> None:
        """Remove from disk what was handed over; returns after fsync, at once when there is none.

        Raises:
            SpoolFailed: it stays there, and is not given out again by this process.
        """
        with self._lock, _refusals():
            if self._handed == self._removed:
                return
            self._database.execute("BEGIN IMMEDIATE")
            try:
                handed, freed = self._remove_handed()
                self._database.execute("COMMIT")
            except BaseException:
                _undo(self._database)
                raise
            self._removed = handed
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
            frames, samples, size = self._database.execute(
                "SELECT count(*), coalesce(sum(samples), 0), coalesce(sum(length(body)), 0)"
                " FROM frame WHERE sequence > ?",
                [self._handed],
            ).fetchone()
            (lost,) = self._database.execute("SELECT coalesce(sum(samples), 0) FROM gap").fetchone()
            return SpoolLevel(frames, samples, size, lost)

    def close(self) -> None:
        """Release the file; may be called twice."""
        with suppress(SpoolFailed, sqlite3.ProgrammingError):  # refused, or closed already
            self.tidy()
        with self._lock:
            self._database.close()

    def _remove_handed(self) -> tuple[int, int]:
        """Remove what was handed over; return up to which number, and the bytes freed."""
        if (handed := self._handed) == self._removed:
            return handed, 0
        (freed,) = self._database.execute(
            "SELECT coalesce(sum(length(body)), 0) FROM frame WHERE sequence <= ?", [handed]
        ).fetchone()
        self._database.execute("DELETE FROM frame WHERE sequence <= ?", [handed])
        return handed, freed

    def _make_room(self, excess: int) -> tuple[int, int]:
        """Drop the oldest frames until ``excess`` bytes are free.

        Returns:
            The number of the last one dropped, 0 for none, and the bytes freed.
        """
        freed = last = 0
        while freed < excess:
            oldest = self._database.execute(
                "SELECT sequence, samples, first, last, length(body) FROM frame"
                " ORDER BY sequence LIMIT 1"
            ).fetchone()
            if oldest is None:
                break
            last, samples, begin, end, size = oldest
            self._database.execute("DELETE FROM frame WHERE sequence = ?", [last])
            self._insert_gap(Gap(samples, begin, end, "spool full"))
            freed += size
        return last, freed

    def _note(self, stored: Spooled, handed: int, dropped: int) -> None:
        """Take notice of a frame on disk, and of those that have left it."""
        self._removed = handed
        with self._noting:
            self._fresh.append(stored)
            if len(self._fresh) > SPOOL_PAGE_FRAMES:
                self._stale = self._fresh.popleft().sequence
            while self._fresh and self._fresh[0].sequence <= dropped:
                self._fresh.popleft()

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
