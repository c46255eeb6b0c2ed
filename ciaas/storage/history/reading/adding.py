"""Works partial figures out, and adds kept ones up, in place of reading every sample."""

from __future__ import annotations

from collections import defaultdict
from string import Template
from typing import Any, NamedTuple

import numpy as np

from ciaas.kernel.sample import Kind, Uint32s
from ciaas.limits import HISTORY_TIME_MS_MAX
from ciaas.storage.history.columns import plain
from ciaas.storage.history.database import Cursor
from ciaas.storage.history.reading.partials import (
    NOTHING,
    Kept,
    Key,
    Partials,
    PartialsKept,
    added_up,
)
from ciaas.storage.history.reading.rows import condition_of_points, condition_of_times
from ciaas.storage.history.segments.layout import Layout

_ROWS = Template(
    """
    SELECT point_id, observed_at, kind, num, verdict, reason, revision FROM sample_$table
    WHERE $points AND $times
    """
)
_FIGURES = Template(
    """
    SELECT point_id, ms - (ms + $epoch) % $interval AS bucket,
        count(*) AS samples, count(*) FILTER (kind <> $null) AS values, count(num) AS numbers,
        sum(num) AS sum, min(num) AS low, max(num) AS high,
        max(verdict::INTEGER * 65536 + reason) AS judgement, max(revision) > 0 AS revised
    FROM (FROM ($rows) SELECT *, epoch_ms(observed_at) AS ms)
    GROUP BY point_id, bucket ORDER BY point_id, bucket
    """
)


class _Stretch(NamedTuple):
    """Samples of one table; both ends are included."""

    table: int
    start: int
    end: int


class Adding(NamedTuple):
    """How to add up: for some points, in buckets of one length, within one snapshot."""

    cursor: Cursor
    layout: Layout
    """The tables of the snapshot."""
    points: Uint32s
    """Not more than can be written into a query."""
    interval_ms: int
    epoch_ms: int
    """A multiple of the interval that makes every time positive when it is added."""
    kept: PartialsKept

    def figures(self, start: int | None, end: int | None) -> Partials:
        """Return what the samples of an interval come to, ends included, by point and time.

        A sample with several revisions counts with each of them; such buckets say so.
        """
        first = -HISTORY_TIME_MS_MAX if start is None else start
        last = HISTORY_TIME_MS_MAX if end is None else end
        parts, singly = [NOTHING], dict[_Stretch, list[int]]()
        everyone = self.points.tolist()
        for tail in self.layout.tails_within(first, last):
            singly[_Stretch(tail.number, first, last)] = everyone
        for segment in self.layout.segments_within(first, last):
            begin, until = max(first, segment.observed_from), min(last, segment.observed_to)
            # The buckets that the interval has as a whole, as far as the segment reaches.
            opens = max(self._up(first), self._down(segment.observed_from))
            closes = min(self._down(last + 1), self._down(segment.observed_to) + self.interval_ms)
            number = segment.number
            known = [] if opens >= closes else self._known(number, opens, closes, parts)
            if unknown := [point for point in everyone if point not in known]:
                singly[_Stretch(number, begin, until)] = unknown
            if known and begin < opens:
                singly[_Stretch(number, begin, opens - 1)] = known
            if known and until >= closes:
                singly[_Stretch(number, closes, until)] = known
        if singly:
            parts.append(self._read(singly))
        return added_up(parts)

    def _known(self, segment: int, opens: int, closes: int, parts: list[Partials]) -> list[int]:
        """Append what whole buckets of a segment come to; return the points it is known for.

        What is not kept yet is worked out and kept; for the other points that would save nothing.
        """
        entries: dict[int, Kept] = {}
        missing = defaultdict[_Stretch, list[int]](list)
        for point in self.points.tolist():
            kept = self.kept.get(Key(segment, point, self.interval_ms))
            if kept is not None and kept.dense and kept.start <= opens and closes <= kept.end:
                continue
            if kept is None or kept.dense or kept.end < opens or closes < kept.start:
                kept = Kept(opens, opens, NOTHING)
            entries[point] = kept
            if opens < kept.start:
                missing[_Stretch(segment, opens, kept.start - 1)].append(point)
            if kept.end < closes:
                missing[_Stretch(segment, kept.end, closes - 1)].append(point)
        for stretch, points in missing.items():
            found = self._read({stretch: points})
            for point in points:
                own = found.select(found.point == point)
                entries[point] = entries[point].extended(stretch.start, stretch.end + 1, own)
                self.kept.keep(Key(segment, point, self.interval_ms), entries[point])
        parts += [kept.within(opens, closes) for kept in entries.values()]
        return list(entries)

    def _read(self, stretches: dict[_Stretch, list[int]]) -> Partials:
        """Work partial figures out from samples."""
        rows = " UNION ALL ".join(
            _ROWS.substitute(
                table=stretch.table,
                points=condition_of_points(np.array(points, np.uint32)),
                times=condition_of_times(stretch.start, stretch.end),
            )
            for stretch, points in stretches.items()
        )
        found: dict[str, Any] = self.cursor.execute(
            _FIGURES.substitute(
                rows=rows, epoch=self.epoch_ms, interval=self.interval_ms, null=int(Kind.NULL)
            )
        ).fetchnumpy()
        return Partials(
            np.asarray(found["point_id"], np.uint32),
            np.asarray(found["bucket"], np.int64),
            np.asarray(found["samples"], np.int64),
            np.asarray(found["values"], np.int64),
            np.asarray(found["numbers"], np.int64),
            plain(found["sum"], "num"),
            plain(found["low"], "num"),
            plain(found["high"], "num"),
            np.asarray(found["judgement"], np.int64),
            np.asarray(found["revised"], np.bool_),
        )

    def _down(self, time: int) -> int:
        return time // self.interval_ms * self.interval_ms

    def _up(self, time: int) -> int:
        return -(-time // self.interval_ms) * self.interval_ms
