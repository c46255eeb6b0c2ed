"""Answers as bytes: JSON by columns, CSV with a header, or an Arrow stream."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

from cpaas.limits import QUERY_PIECE_BYTES
from cpaas.processing.query.queries import Answer

_CHUNK_ROWS = 50_000


class Form(StrEnum):
    """How an answer is written."""

    JSON = "json"
    CSV = "csv"
    ARROW = "arrow"

    @property
    def media_type(self) -> str:
        """For ``Content-Type`` and ``Accept``."""
        return _MEDIA_TYPES[self]


_MEDIA_TYPES = {
    Form.JSON: "application/json",
    Form.CSV: "text/csv",
    Form.ARROW: "application/vnd.apache.arrow.stream",
}


def form_accepted(accept: str) -> Form:
    """Return the form that an ``Accept`` header names first; JSON when it names none of ours."""
    named = {accept.find(form.media_type): form for form in Form if form.media_type in accept}
    return named[min(named)] if named else Form.JSON


def written(answer: Answer, form: Form) -> Iterator[bytes]:
    """Yield an answer piece by piece; memory stays bounded whatever its length.

    Raises:
        TooMuch: JSON would have to keep more in memory than it may.
    """
    if form is Form.JSON:
        answer.plan.check_held()
        return _gathered(_json(answer))
    return _gathered(_csv(answer) if form is Form.CSV else _arrow(answer))


def _gathered(scraps: Iterator[bytes]) -> Iterator[bytes]:
    gathered: list[bytes] = []
    size = 0
    for scrap in scraps:
        gathered.append(scrap)
        size += len(scrap)
        if size >= QUERY_PIECE_BYTES:
            yield b"".join(gathered)
            gathered, size = [], 0
    if size:
        yield b"".join(gathered)


def _json(answer: Answer) -> Iterator[bytes]:
    table = pa.concat_tables(list(answer.tables))
    head = {"zone": answer.plan.zone.key, "rows": table.num_rows}
    yield msgspec.json.encode(head)[:-1] + b',"columns":{'
    for number, name in enumerate(table.column_names):
        yield (b"," if number else b"") + msgspec.json.encode(name) + b":["
        values = _readable(table.column(name))
        for start in range(0, table.num_rows, _CHUNK_ROWS):
            part = values.slice(start, _CHUNK_ROWS).to_pylist()
            yield (b"," if start else b"") + msgspec.json.encode(part)[1:-1]
        yield b"]"
    yield b"}}"


def _csv(answer: Answer) -> Iterator[bytes]:
    sink = io.BytesIO()
    schema = pa.schema(
        [
            field if pa.types.is_floating(field.type) else pa.field(field.name, pa.string())
            for field in answer.schema
        ]
    )
    options = pa.csv.WriteOptions(quoting_style="needed")
    with pa.csv.CSVWriter(sink, schema, write_options=options) as writer:
        for table in answer.tables:
            columns = [_readable(table.column(name)) for name in table.column_names]
            writer.write_table(pa.table(columns, schema=schema))
            yield _taken(sink)
    yield _taken(sink)


def _arrow(answer: Answer) -> Iterator[bytes]:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, answer.schema) as writer:
        for table in answer.tables:
            writer.write_table(table, max_chunksize=_CHUNK_ROWS)
            yield _taken(sink)
    yield _taken(sink)


def _taken(sink: io.BytesIO) -> bytes:
    piece = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return piece


def _readable(column: Any) -> Any:
    """Return a column as JSON and CSV show it: times as RFC 3339 with the zone's offset."""
    if pa.types.is_timestamp(column.type):
        return _times(column)
    if pa.types.is_dictionary(column.type):
        return column.cast(pa.string())
    return column


def _times(column: Any) -> Any:
    # Few begins stand in many rows: each is written once.
    coded = pa.chunked_array(column, type=column.type).combine_chunks().dictionary_encode()
    begins: Iterable[Any] = coded.dictionary.to_pylist()
    texts = pa.array([begin.isoformat(timespec="milliseconds") for begin in begins], pa.string())
    return pa.DictionaryArray.from_arrays(coded.indices, texts).cast(pa.string())
