"""The log of accesses: an index over the record, made from its files and never the other way round.

It lies outside the record and holds nothing that the record does not: without it, or with a damaged
one, it is made anew. Its position is stored in the transaction of the rows, so that a kill leaves
it behind the record and never beside it.
"""

from __future__ import annotations

import json
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
from ciaas.storage.derived import changing, open_derived
from ciaas.storage.record import RecordFile
from security.aaa.accesses import Asked, ranges_of_text
from security.aaa.chain import PLATFORM, WHOLE, own_line

_FORM = 2
"""Raised when the tables or what is put into them changes: an older index is made anew."""
_COMMIT = "commit"
"""Kind of the entries that tell of commits: many, and nobody's accesses."""
_TABLES = (
    "CREATE TABLE state (form INTEGER, sequence INTEGER, file INTEGER, offset INTEGER)",
    """CREATE TABLE entry (
        seq INTEGER PRIMARY KEY, at INTEGER, kind TEXT, who TEXT, act TEXT,
        file INTEGER, offset INTEGER, length INTEGER,
        chain INTEGER, cseq INTEGER, part INTEGER, refused INTEGER
    )""",
    "CREATE INDEX entry_who ON entry (who, seq)",
    "CREATE INDEX entry_kind ON entry (kind, seq)",
    "CREATE INDEX entry_at ON entry (at)",
    "CREATE INDEX entry_act ON entry (act, seq)",
    "CREATE INDEX entry_chain ON entry (chain, cseq)",
    # Apart from the others, which they would soon push out of what can be found.
    """CREATE TABLE commit_entry (
        seq INTEGER PRIMARY KEY, at INTEGER, kind TEXT, who TEXT, act TEXT,
        file INTEGER, offset INTEGER, length INTEGER,
        chain INTEGER, cseq INTEGER, part INTEGER, refused INTEGER
    )""",
    """CREATE TABLE touch (
        bucket INTEGER, seq INTEGER, first INTEGER, last INTEGER,
        PRIMARY KEY (bucket, seq, first)
    ) WITHOUT ROWID""",
    "CREATE INDEX touch_seq ON touch (seq)",
    "CREATE INDEX commit_chain ON commit_entry (chain, cseq)",
    f"INSERT INTO state VALUES ({_FORM}, 0, 0, 0)",  # noqa: S608 - a number of this module
)
_ENTRIES = ("entry", "commit_entry")


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
        self._record = record
        self._number_of = number_of or (lambda address: None)
        self._turn = threading.Lock()
        self._file = open_derived(path, _TABLES, self._fits)
        self._kept: dict[str, int] = {}
        """Rows of each table of entries, once they have been counted."""

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
        lines = (self._record.line(*place[:3]) for place in places)
        found = [json.loads(line) for line in lines if line]
        if asked.chain is None:
            return found
        return [{key: entry[key] for key in entry if key not in WHOLE} for entry in found]

    def own(self, chain: int, first: int, last: int) -> Sequence[tuple[int, bytes]]:
        """Return lines of a chain with their numbers, in order, as the chain has them.

        Those that are no longer found, or are damaged, are left out.
        """
        statement = " UNION ALL ".join(
            f"SELECT cseq, file, offset, length FROM {table} "  # noqa: S608 - one of two words
            "WHERE chain = :chain AND cseq BETWEEN :first AND :last"
            for table in _ENTRIES
        )
        asked = {"chain": chain, "first": first, "last": last}
        with self._turn:
            places = self._file.execute(f"{statement} ORDER BY cseq", asked).fetchall()
        lines = ((cseq, _parsed(self._record.line(*place))) for cseq, *place in places)
        return [(cseq, own_line(entry)) for cseq, entry in lines if entry]

    def numbers(self, chain: int, start: int | None, end: int | None) -> tuple[int, int] | None:
        """Return first and last number of a chain's lines within a time, both ends included.

        None when there are none. A clock that was set back may have left lines of another time
        among them.
        """
        clauses, values = _conditions(Asked(1, chain=chain, start=start, end=end))
        statement = " UNION ALL ".join(
            f"SELECT min(cseq) AS low, max(cseq) AS high FROM {table} "  # noqa: S608 - one of two words
            f"WHERE cseq IS NOT NULL AND {' AND '.join(clauses)}"
            for table in _ENTRIES
        )
        with self._turn:
            low, high = self._file.execute(
                f"SELECT min(low), max(high) FROM ({statement})",  # noqa: S608 - made of words of this module alone
                values * len(_ENTRIES),
            ).fetchone()
        return None if low is None else (int(low), int(high))

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

    def _fits(self, file: sqlite3.Connection) -> bool:
        form, sequence = file.execute("SELECT form, sequence FROM state").fetchone()
        return bool(form == _FORM and sequence <= self._record.sequence)

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
        entries: dict[str, list[tuple[object, ...]]] = {table: [] for table in _ENTRIES}
        touches = []
        for place, line in lines:
            entry = _parsed(line)
            row = _row(entry, place, len(line))
            entries["commit_entry" if row[2] == _COMMIT else "entry"].append(row)
            touches += [(*touch[:1], place.sequence, *touch[1:]) for touch in self._touches(entry)]
        with changing(self._file):
            for table, rows in entries.items():
                self._file.executemany(
                    f"INSERT OR REPLACE INTO {table} VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608 - one of two words
                    rows,
                )
            self._file.executemany("INSERT OR REPLACE INTO touch VALUES (?,?,?,?)", touches)
            kept = {table: self._pruned(table, len(rows)) for table, rows in entries.items()}
            self._file.execute("UPDATE state SET sequence = ?, file = ?, offset = ?", [*end])
        self._kept = kept
        return True

    def _pruned(self, table: str, new: int) -> int:
        """Take the oldest rows beyond the bound out of a table; return how many it has."""
        if table in self._kept:
            rows = self._kept[table] + new
        else:
            (rows,) = self._file.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - one of two words
        surplus = int(rows) - ACCESS_INDEX_ENTRIES_MAX
        if surplus <= 0:
            return int(rows)
        oldest = f"SELECT seq FROM {table} ORDER BY seq LIMIT ?"  # noqa: S608 - one of two words
        self._file.execute(f"DELETE FROM {table} WHERE seq IN ({oldest})", [surplus])  # noqa: S608 - one of two words
        if table == "entry":
            self._file.execute("DELETE FROM touch WHERE seq < (SELECT min(seq) FROM entry)")
        return ACCESS_INDEX_ENTRIES_MAX

    def _touches(self, entry: Mapping[str, Any]) -> Iterator[tuple[int, int, int]]:
        """Yield bucket, first and last point of what an entry says was read or written."""
        if _is_refusal(entry.get("status")):
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


def _row(entry: Mapping[str, Any], place: Position, length: int) -> tuple[object, ...]:
    """Return what is found of an entry, and where it lies."""
    about = entry.get("about")
    numbers = [entry.get(name) for name in ("at", "chain", "cseq")]
    at, chain, cseq = (n if isinstance(n, int) else None for n in numbers)
    return (
        place.sequence,
        at or 0,
        str(entry.get("kind") or entry.get("action") or ""),
        str(entry.get("who", "")),
        str(entry.get("act", "")),
        place.file,
        place.offset - length,
        length,
        PLATFORM if chain is None else chain,
        cseq,
        bool(isinstance(about, dict) and about.get("part", False)),
        entry.get("kind") == "refusal" or _is_refusal(entry.get("status")),
    )


def _is_refusal(status: object) -> bool:
    return isinstance(status, int) and status >= HTTPStatus.BAD_REQUEST


def _conditions(asked: Asked) -> tuple[list[str], list[object]]:
    clauses, values = ["1"], list[object]()
    if asked.point is None and asked.chain is None:
        clauses.append("NOT part")  # the platform's chain has the whole of it
    if asked.point is not None:
        clauses.append("bucket = ? AND first <= ? AND last >= ?")
        values += [asked.point // ACCESS_POINTS_PER_BUCKET, asked.point, asked.point]
    for clause, value in (
        ("who = ?", asked.subject),
        ("kind = ?", asked.kind),
        ("act = ?", asked.act),
        ("chain = ?", asked.chain),
        ("refused = ?", asked.refused),
        ("at >= ?", asked.start),
        ("at <= ?", asked.end),
        ("seq < ?" if asked.chain is None else "cseq < ?", asked.before),
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
