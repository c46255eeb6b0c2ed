"""The log of accesses: an index over the record, made from its files and never the other way round.

It lies outside the record and holds nothing that the record does not: without it, or with a damaged
one, it is made anew. Its position is stored in the transaction of the rows, so that a kill leaves
it behind the record and never beside it.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ciaas.limits import (
    ACCESS_INDEX_ENTRIES_MAX,
    ACCESS_INDEX_STEP,
    ACCESS_POINTS_PER_BUCKET,
    ACCESS_RANGES_MAX,
)
from ciaas.storage.chains import Position
from ciaas.storage.record import RecordFile
from security.aaa.accesses import Asked, ranges_of_text

log = logging.getLogger(__name__)

_FORM = 2
"""Raised when the tables or what is put into them changes: an older index is made anew."""
_COMMIT = "commit"
"""Kind of the entries that tell of commits: many, and nobody's accesses."""
_TABLES = (
    "CREATE TABLE state (form INTEGER, sequence INTEGER, file INTEGER, offset INTEGER)",
    """CREATE TABLE entry (
        seq INTEGER PRIMARY KEY, at INTEGER, kind TEXT, who TEXT,
        file INTEGER, offset INTEGER, length INTEGER
    )""",
    "CREATE INDEX entry_who ON entry (who, seq)",
    "CREATE INDEX entry_kind ON entry (kind, seq)",
    "CREATE INDEX entry_at ON entry (at)",
    # Apart from the others, which they would soon push out of what can be found.
    """CREATE TABLE commit_entry (
        seq INTEGER PRIMARY KEY, at INTEGER, kind TEXT, who TEXT,
        file INTEGER, offset INTEGER, length INTEGER
    )""",
    """CREATE TABLE touch (
        bucket INTEGER, seq INTEGER, first INTEGER, last INTEGER,
        PRIMARY KEY (bucket, seq, first)
    ) WITHOUT ROWID""",
    "CREATE INDEX touch_seq ON touch (seq)",
)


class AccessIndex:
    """`security.aaa.accesses.AccessLog` over the record of one home. From any thread.

    Args:
        path: The SQLite file; made, or made anew, when it cannot be used.
        record: What is indexed.
        number_of: Tells the number of a point's address, for entries that name one instead of
            numbers; None finds such entries by no point.
    """

    def __init__(
        self, path: Path, record: RecordFile, number_of: Callable[[str], int | None] | None = None
    ) -> None:
        self._path, self._record = path, record
        self._number_of = number_of or (lambda address: None)
        self._turn = threading.Lock()
        self._file = self._open()

    def catch_up(self) -> int:
        """Index what was recorded since the last time; return the last sequence indexed."""
        with self._turn:
            while self._step():
                pass
            return self._position()[0]

    def find(self, asked: Asked) -> Sequence[Mapping[str, Any]]:
        """Return the entries that fit, newest first, as they stand in the record."""
        self.catch_up()
        clauses, values = _conditions(asked)
        from_touch = "" if asked.point is None else "JOIN touch USING (seq)"
        table = "commit_entry" if asked.kind == _COMMIT else "entry"
        statement = (
            f"SELECT DISTINCT file, offset, length, seq FROM {table} {from_touch} "  # noqa: S608 - made of words of this module alone
            f"WHERE {' AND '.join(clauses)} ORDER BY seq DESC LIMIT ?"
        )
        with self._turn:
            places = self._file.execute(statement, [*values, asked.limit]).fetchall()
        found = (self._record.line(*place[:3]) for place in places)
        return [json.loads(line) for line in found if line]

    def begins(self) -> int:
        """Return the sequence of the oldest entry that can be found, 0 when there is none."""
        with self._turn:
            (first,) = self._file.execute("SELECT coalesce(min(seq), 0) FROM entry").fetchone()
        return int(first)

    def close(self) -> None:
        """Close the file."""
        with self._turn:
            self._file.close()

    # -- private pieces

    def _open(self) -> sqlite3.Connection:
        try:
            return self._ready()
        except sqlite3.DatabaseError as error:
            log.warning("the index %s is made anew: %s", self._path, error)
            for suffix in ("", "-wal", "-shm", "-journal"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            return self._ready()

    def _ready(self) -> sqlite3.Connection:
        """Return the open file with its tables.

        Raises:
            sqlite3.DatabaseError: damaged, of another form, or ahead of the record.
        """
        if not self._path.exists():
            self._path.touch(0o600)
        file = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        try:
            file.execute("PRAGMA journal_mode = WAL")
            # Lost rows are read again from the record: no entry waits for this file's disk.
            file.execute("PRAGMA synchronous = OFF")
            if not file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                file.execute("BEGIN")
                for statement in _TABLES:
                    file.execute(statement)
                file.execute("INSERT INTO state VALUES (?, 0, 0, 0)", [_FORM])
                file.execute("COMMIT")
            form, sequence = file.execute("SELECT form, sequence FROM state").fetchone()
            if form != _FORM or sequence > self._record.sequence:
                raise sqlite3.DatabaseError("it is of another form or of another record")
        except BaseException:
            file.close()
            raise
        return file

    def _position(self) -> tuple[int, int, int]:
        sequence, file, offset = self._file.execute(
            "SELECT sequence, file, offset FROM state"
        ).fetchone()
        return sequence, file, offset

    def _step(self) -> bool:
        """Index some lines in one transaction; False when none was left."""
        position = self._position()
        start = Position(*position) if position[0] else None
        lines = list(self._record.lines(start, ACCESS_INDEX_STEP))
        if not lines:
            return False
        end = lines[-1][0]
        entries: dict[str, list[tuple[object, ...]]] = {"entry": [], "commit_entry": []}
        touches = []
        for place, line in lines:
            entry = _parsed(line)
            who = str(entry.get("who", ""))
            kind = str(entry.get("kind") or entry.get("action") or "")
            begin = place.offset - len(line)
            at = entry.get("at")
            entries["commit_entry" if kind == _COMMIT else "entry"].append(
                (
                    *(place.sequence, at if isinstance(at, int) else 0, kind, who),
                    *(place.file, begin, len(line)),
                )
            )
            touches += [(*touch[:1], place.sequence, *touch[1:]) for touch in self._touches(entry)]
        oldest = end.sequence - ACCESS_INDEX_ENTRIES_MAX
        self._file.execute("BEGIN")
        try:
            for table, rows in entries.items():
                self._file.executemany(
                    f"INSERT OR REPLACE INTO {table} VALUES (?,?,?,?,?,?,?)",  # noqa: S608 - one of two words
                    rows,
                )
            self._file.executemany("INSERT OR REPLACE INTO touch VALUES (?,?,?,?)", touches)
            for table in ("entry", "commit_entry", "touch"):
                self._file.execute(f"DELETE FROM {table} WHERE seq <= ?", [oldest])  # noqa: S608 - one of three words
            self._file.execute("UPDATE state SET sequence = ?, file = ?, offset = ?", [*end])
            self._file.execute("COMMIT")
        except BaseException:
            self._file.execute("ROLLBACK")
            raise
        return True

    def _touches(self, entry: Mapping[str, Any]) -> Iterator[tuple[int, int, int]]:
        """Yield bucket, first and last point of what an entry says was read or written."""
        status = entry.get("status")
        if isinstance(status, int) and status >= HTTPStatus.BAD_REQUEST:
            return  # refused: nothing was touched
        about = entry.get("about", entry)
        text = about.get("points") if isinstance(about, dict) else None
        ranges = ranges_of_text(text)[:ACCESS_RANGES_MAX] if isinstance(text, str) else []
        if isinstance(address := entry.get("address"), str):
            number = self._number_of(address)
            ranges += [] if number is None else [(number, number)]
        for first, last in ranges:
            for bucket in range(
                first // ACCESS_POINTS_PER_BUCKET, last // ACCESS_POINTS_PER_BUCKET + 1
            ):
                yield bucket, first, last


def _conditions(asked: Asked) -> tuple[list[str], list[object]]:
    clauses, values = ["1"], list[object]()
    if asked.point is not None:
        clauses.append("bucket = ? AND first <= ? AND last >= ?")
        values += [asked.point // ACCESS_POINTS_PER_BUCKET, asked.point, asked.point]
    for clause, value in (
        ("who = ?", asked.subject),
        ("kind = ?", asked.kind),
        ("at >= ?", asked.start),
        ("at <= ?", asked.end),
        ("seq < ?", asked.before),
    ):
        if value is not None:
            clauses.append(clause)
            values.append(value)
    return clauses, values


def _parsed(line: bytes) -> Mapping[str, Any]:
    """Return the entry of a line; a line that was damaged is one of no kind."""
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
