"""Frames as Arrow: the form they travel in between roles and into history."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ciaas.kernel.sample import DTYPES, Frame

SCHEMA = pa.schema(
    [
        ("point", pa.uint32()),
        ("observed", pa.int64()),
        ("received", pa.int64()),
        ("kind", pa.uint8()),
        ("num", pa.float64()),
        ("txt", pa.string()),
        ("verdict", pa.uint8()),
        ("reason", pa.uint16()),
        ("raw", pa.string()),
        ("source", pa.uint32()),
        ("revision", pa.uint16()),
    ]
)
"""Column order and types of a frame on the wire; times are milliseconds since 1970 UTC."""


class ColumnsError(ValueError):
    """The bytes are no frame."""


def to_batch(frame: Frame) -> pa.RecordBatch:
    """Return the frame as one Arrow record batch; None in ``txt`` and ``raw`` becomes null."""
    columns = [
        pa.array(getattr(frame, column.name), type=column.type, from_pandas=False)
        for column in SCHEMA
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def encode(frame: Frame) -> bytes:
    """Return the frame as an Arrow IPC stream of one batch."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA) as writer:
        writer.write_batch(to_batch(frame))
    return bytes(sink.getvalue())


def decode(data: bytes) -> Frame:
    """Return the frame of an Arrow IPC stream.

    Raises:
        ColumnsError: not Arrow, or another schema.
    """
    try:
        with pa.ipc.open_stream(data) as reader:
            table = reader.read_all()
        # Lengths and offsets are taken on trust by all that follows: wrong ones end the process.
        table.validate(full=True)
        if not table.schema.equals(SCHEMA):
            raise ColumnsError(f"the columns are {table.schema.names}, not those of a frame")
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ColumnsError(f"not an Arrow IPC stream: {error}") from error
    if any(table.column(name).null_count for name in DTYPES if name not in ("txt", "raw")):
        raise ColumnsError("a column that may hold no null holds one")
    return Frame(
        **{name: np.asarray(table.column(name).to_numpy(), dtype) for name, dtype in DTYPES.items()}
    )
