"""Series as JSON and as CSV, written column by column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import pairwise

import msgspec
import numpy as np

from ciaas.kernel.sample import Kind
from ciaas.ports import Series
from cpaas.access.answers.documents import (
    REASONS,
    VERDICTS,
    Written,
    instants,
    times,
    value_of,
)

_COLUMNS = tuple(field.name for field in fields(Series) if field.name != "truncated")


def values(series: Series) -> list[Written]:
    """Return the values of a series, each in the type it was sent as."""
    numbers: list[float] = series.num.tolist()
    if _plain(series):
        return list(numbers)
    return [
        value_of(kind, number, text)
        for kind, number, text in zip(series.kind.tolist(), numbers, series.txt, strict=True)
    ]


def written(series: Series) -> bytes:
    """Return a series as JSON: ``[{"time", "value", "verdict", "reason"?}]``."""
    # One dictionary a row costs twice the time of the whole answer for a day of minutes.
    if not len(series.observed):
        return b"[]"
    judged = series.verdict.astype(np.uint32) << 16 | series.reason
    endings = {code: _ending(code) for code in np.unique(judged).tolist()}
    lines = zip(
        instants(series.observed),
        _encoded(series),
        map(endings.__getitem__, judged.tolist()),
        strict=True,
    )
    return (
        b"["
        + b",".join([b'{"time":"%bZ","value":%b,"verdict":%b}' % line for line in lines])
        + b"]"
    )


def by_point(series: Series) -> dict[int, Series]:
    """Return the part of each point that has rows, in the order of the series."""
    point = series.point
    starts = np.flatnonzero(np.append(True, point[1:] != point[:-1])[: len(point)]).tolist()
    return {
        int(point[start]): Series(
            **{name: getattr(series, name)[start:end] for name in _COLUMNS},
            truncated=series.truncated,
        )
        for start, end in pairwise([*starts, len(point)])
    }


def csv(series: Series, separator: str, addresses: Sequence[str] | None) -> Iterator[str]:
    """Yield ``time;value`` lines without a header; with addresses, one before each line."""
    for row, (time, value) in enumerate(zip(times(series.observed), values(series), strict=True)):
        line = f"{time}{separator}{_field(value, separator)}\n"
        yield line if addresses is None else _field(addresses[row], separator) + separator + line


def _plain(series: Series) -> bool:
    return bool((series.kind == Kind.NUMBER).all() and np.isfinite(series.num).all())


def _encoded(series: Series) -> Sequence[bytes]:
    if _plain(series):
        return msgspec.json.encode(series.num.tolist())[1:-1].split(b",")
    return [msgspec.json.encode(value) for value in values(series)]


def _ending(code: int) -> bytes:
    """Return a row's verdict, and its reason where there is one, as JSON."""
    verdict = msgspec.json.encode(VERDICTS[code >> 16])
    reason = code & 0xFFFF
    if not reason:
        return verdict
    return b'%b,"reason":%b' % (verdict, msgspec.json.encode(REASONS[reason]))


def _field(value: Written, separator: str) -> str:
    """Return a value as one field of a line, in quotes where it could be taken for another."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if not text or separator in text or '"' in text or "\n" in text or "\r" in text:
        return '"' + text.replace('"', '""') + '"'
    return text
