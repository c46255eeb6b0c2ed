"""Thin a series out into buckets, with the functions and fills of cloud.iO.

They are those of InfluxQL, which cloud.iO hands them to: buckets are aligned to the epoch (weeks
too, so that they begin on a Thursday) and named by their start; the first and last are cut by the
interval asked for; samples without a value count for a bucket's verdict only.

Source: InfluxQL functions reference, aggregations and selectors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from string import Template
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.sample import DTYPES, Kind
from ciaas.limits import HISTORY_TIME_MS_MAX
from ciaas.ports import HistoryError, Span
from ciaas.storage.history.reading import filling
from ciaas.storage.history.reading.partials import Partials

_NS_PER_MS = 1_000_000

_BUCKETED = Template(
    """
    WITH bucketed AS (
        FROM ($rows) SELECT *, epoch_ms(observed_at) AS ms,
            ms - (ms + $epoch) % $interval AS bucket,
            verdict::UINTEGER * 65536 + reason AS judgement
    )
    """
)
_END = Template(
    """
    SELECT point_id, make_timestamp_ms(bucket) AS observed_at, kind, num, txt,
        (judgement >> 16)::UTINYINT AS verdict, (judgement & 65535)::USMALLINT AS reason
    FROM answered $each ORDER BY point_id, bucket, first LIMIT $answer_max
    """
)
_EACH = Template(
    "QUALIFY row_number() OVER (PARTITION BY point_id ORDER BY bucket, first) <= $rows_max"
)
_WORST = "max(judgement) AS judgement"
_COMPUTED = Template(
    """
    , answered AS (
        SELECT point_id, bucket, $number AS kind, $value AS num, NULL AS txt, $worst,
            0 AS first
        FROM bucketed GROUP BY point_id, bucket HAVING num IS NOT NULL
    )
    """
)
_PICKED = Template(
    """
    , picked AS (
        SELECT point_id, bucket, $worst, 0 AS first,
            $function({kind: kind, num: num, txt: txt}, (ms, revision, commit_no))
                FILTER (kind <> $null) AS sample
        FROM bucketed GROUP BY point_id, bucket HAVING sample IS NOT NULL
    ), answered AS (
        SELECT point_id, bucket, sample.kind, sample.num, sample.txt, judgement, first
        FROM picked
    )
    """
)
_DIFFERENT = Template(
    """
    , different AS (
        SELECT point_id, bucket, kind, num, txt, count(*) AS times, min(ms) AS first, $worst
        FROM bucketed GROUP BY point_id, bucket, kind, num, txt
    ), judged AS (
        SELECT * REPLACE (max(judgement) OVER (PARTITION BY point_id, bucket) AS judgement)
        FROM different
    ), answered AS (
        SELECT * FROM judged WHERE kind <> $null $chosen
    )
    """
)
_MOST_FREQUENT = (
    "QUALIFY row_number() OVER (PARTITION BY point_id, bucket ORDER BY times DESC, first) = 1"
)
_INTEGRAL = Template(
    """
    , linked AS (
        SELECT *, lag(ms) OVER in_time AS ms0, lag(num) OVER in_time AS num0,
            lag(bucket) OVER in_time AS bucket0, lead(ms) OVER in_time AS ms1,
            lead(num) OVER in_time AS num1, lead(bucket) OVER in_time AS bucket1
        FROM bucketed WHERE num IS NOT NULL
        WINDOW in_time AS (PARTITION BY point_id ORDER BY ms, revision, commit_no)
    ), cut AS (
        SELECT *, num0 + (num - num0) * (bucket0 + $interval - ms0) / (ms - ms0) AS num_in,
            num + (num1 - num) * (bucket + $interval - ms) / (ms1 - ms) AS num_out
        FROM linked
    ), areas AS (
        SELECT point_id, bucket, judgement,
            CASE WHEN bucket0 IS NULL THEN 0.0
                WHEN bucket0 = bucket THEN (num0 + num) / 2 * (ms - ms0)
                ELSE (num_in + num) / 2 * (ms - bucket0 - $interval) END
            + CASE WHEN bucket1 <> bucket
                THEN (num + num_out) / 2 * (bucket + $interval - ms) ELSE 0.0 END AS area
        FROM cut
        UNION ALL SELECT point_id, bucket, judgement, NULL FROM bucketed WHERE num IS NULL
    ), answered AS (
        SELECT point_id, bucket, $number AS kind, sum(area) / 1000 AS num, NULL AS txt, $worst,
            0 AS first
        FROM areas GROUP BY point_id, bucket HAVING num IS NOT NULL
    )
    """
)
"""Trapezoids over seconds. Between two samples of different buckets the line is cut at the end of
the earlier one's bucket: what comes before belongs to that bucket, what comes after to the later
one's, empty buckets in between included. Source: InfluxQL INTEGRAL() with unit 1s."""

_VALUES = {
    "COUNT": f"nullif(count(*) FILTER (kind <> {Kind.NULL:d}), 0)::DOUBLE",
    "MEAN": "avg(num)",
    "MEDIAN": "median(num)",
    "SPREAD": "max(num) - min(num)",
    "STDDEV": "stddev_samp(num)",
    "SUM": "sum(num)",
    "MAX": "max(num)",
    "MIN": "min(num)",
}


def _answered(template: Template, **names: str) -> Template:
    return Template(
        template.safe_substitute(
            worst=_WORST, null=int(Kind.NULL), number=int(Kind.NUMBER), **names
        )
    )


FUNCTIONS = {
    **{name: _answered(_COMPUTED, value=value) for name, value in _VALUES.items()},
    "FIRST": _answered(_PICKED, function="arg_min"),
    "LAST": _answered(_PICKED, function="arg_max"),
    "DISTINCT": _answered(_DIFFERENT, chosen=""),
    "MODE": _answered(_DIFFERENT, chosen=_MOST_FREQUENT),
    "INTEGRAL": _answered(_INTEGRAL),
}
"""What each function answers. STDDEV of one sample has no value; of equally frequent values MODE
takes the one that came first; DISTINCT gives one row for each value of a bucket, in the order in
which they came first."""


_ADDED: Mapping[str, Callable[[Partials], NDArray[Any]]] = {
    "COUNT": lambda figures: figures.values.astype(np.float64),
    "MEAN": lambda figures: figures.sum / figures.numbers,
    "SPREAD": lambda figures: figures.high - figures.low,
    "SUM": lambda figures: figures.sum,
    "MAX": lambda figures: figures.high,
    "MIN": lambda figures: figures.low,
}
"""What `FUNCTIONS` answers, from the partial figures of whole buckets."""


class Plan(NamedTuple):
    """A checked way to thin out."""

    interval_ms: int
    function: str
    fill_with: str

    @property
    def adds_up(self) -> bool:
        """True when partial figures are all that the function needs."""
        return self.function in _ADDED

    @property
    def epoch_ms(self) -> int:
        """A multiple of the interval that makes every time positive: % takes its left's sign."""
        return -(-HISTORY_TIME_MS_MAX // self.interval_ms) * self.interval_ms

    def answer(self, figures: Partials) -> dict[str, NDArray[Any]]:
        """Return the rows that `query` would give, from partial figures added up."""
        there = (figures.values if self.function == "COUNT" else figures.numbers) > 0
        figures = figures.select(there)
        rows = len(figures)
        return {
            "point": figures.point,
            "observed": figures.bucket,
            "kind": np.full(rows, Kind.NUMBER, DTYPES["kind"]),
            "num": _ADDED[self.function](figures),
            "txt": np.full(rows, None, np.object_),
            "verdict": (figures.judgement >> 16).astype(DTYPES["verdict"]),
            "reason": (figures.judgement & 0xFFFF).astype(DTYPES["reason"]),
        }

    def query(self, rows: str, one_point: bool, rows_max: int, answer_max: int) -> str:
        """Return the SQL over the rows of a span, ``rows_max`` of each point's."""
        each = "" if one_point else _EACH.substitute(rows_max=rows_max)
        return "".join(
            part.substitute(
                rows=rows,
                interval=self.interval_ms,
                epoch=self.epoch_ms,
                each=each,
                answer_max=min(rows_max, answer_max) if one_point else answer_max,
            )
            for part in (_BUCKETED, FUNCTIONS[self.function], _END)
        )

    def fill(
        self, columns: dict[str, NDArray[Any]], span: Span, rows_max: int
    ) -> dict[str, NDArray[Any]]:
        """Return the buckets with the empty ones filled in."""
        if self.fill_with == "NONE":
            return columns
        return filling.fill(columns, span, self.interval_ms, self.fill_with, rows_max)


def plan(span: Span) -> Plan:
    """Check what a span asks for; intervals are rounded up to whole milliseconds.

    Raises:
        HistoryError: an unknown function or fill, or an interval that is not positive.
    """
    assert span.resample is not None
    interval_ns, function, fill = span.resample
    if function not in FUNCTIONS:
        raise HistoryError(f"{function[:32]!r} is no function; use one of {' '.join(FUNCTIONS)}")
    if fill not in filling.FILLS:
        raise HistoryError(f"{fill[:32]!r} is no fill; use one of {' '.join(filling.FILLS)}")
    if interval_ns <= 0:
        raise HistoryError("the interval of a resampling must be longer than nothing")
    interval_ms = -(-interval_ns // _NS_PER_MS)
    if interval_ms > HISTORY_TIME_MS_MAX:
        raise HistoryError(f"the interval of a resampling is {HISTORY_TIME_MS_MAX} ms at most")
    return Plan(interval_ms, function, fill)
