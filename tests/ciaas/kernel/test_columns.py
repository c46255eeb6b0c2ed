"""Frames as Arrow: what is written is read back, and nothing else is taken for a frame."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ciaas.kernel.columns import SCHEMA, ColumnsError, decode, encode, to_batch
from ciaas.kernel.sample import DTYPES, Frame

_texts = st.none() | st.text(st.characters(codec="utf-8"), max_size=20)


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    rows = draw(st.integers(0, 8))
    columns = {}
    for name, dtype in DTYPES.items():
        elements = _texts if dtype is np.object_ else npst.from_dtype(np.dtype(dtype))
        values = draw(st.lists(elements, min_size=rows, max_size=rows))
        columns[name] = np.array(values, dtype)
    return Frame(**columns)


def same(left: Frame, right: Frame) -> bool:
    return all(
        getattr(left, f.name).dtype == getattr(right, f.name).dtype
        and np.array_equal(getattr(left, f.name), getattr(right, f.name), equal_nan=f.name == "num")
        for f in fields(Frame)
    )


def stream_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


@given(frames())
def test_what_is_encoded_is_decoded(frame: Frame) -> None:
    assert same(decode(encode(frame)), frame)


@given(frames(), frames())
def test_batches_of_one_stream_are_joined(first: Frame, second: Frame) -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA) as writer:
        writer.write_batch(to_batch(first))
        writer.write_batch(to_batch(second))
    assert same(decode(bytes(sink.getvalue())), Frame.concat([first, second]))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ColumnsError):
        decode(data)


@given(frames(), st.data())
def test_a_damaged_frame_is_refused_or_still_one(frame: Frame, data: st.DataObject) -> None:
    whole = bytearray(encode(frame))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    try:
        read = decode(bytes(cut))
    except ColumnsError:
        return
    assert {len(getattr(read, f.name)) for f in fields(Frame)} == {len(read)}


def test_a_text_that_claims_to_be_longer_than_the_frame_is_refused() -> None:
    """Taken on trust, its length ends the process that reads it."""
    columns = {name: np.zeros(3, dtype) for name, dtype in DTYPES.items()}
    texts = {name: np.array(["abc", "de", "f"], np.object_) for name in ("txt", "raw")}
    whole = encode(Frame(**columns | texts))
    offsets = np.array([0, 3, 5, 6], np.int32).tobytes()
    claim = np.array([0, 3, 5, 2**31 - 1], np.int32).tobytes()
    assert whole.count(offsets) == 2
    with pytest.raises(ColumnsError, match="not an Arrow IPC stream"):
        decode(whole.replace(offsets, claim))


def test_other_columns_are_refused_by_name() -> None:
    table = pa.table({"point": pa.array([1], pa.uint32())})
    with pytest.raises(ColumnsError, match="the columns are"):
        decode(stream_of(table))


@pytest.mark.parametrize("name", sorted(DTYPES.keys() - {"txt", "raw"}))
def test_a_null_where_none_may_be_is_refused(name: str) -> None:
    columns = {
        field.name: pa.array([None], field.type)
        if field.name == name or field.name in ("txt", "raw")
        else pa.array([1], field.type)
        for field in SCHEMA
    }
    with pytest.raises(ColumnsError, match="may hold no null"):
        decode(stream_of(pa.table(columns, schema=SCHEMA)))


def test_not_a_number_stays_a_number_and_none_a_null() -> None:
    frame = replace(
        Frame.empty(),
        **{name: np.zeros(1, dtype) for name, dtype in DTYPES.items()},
    )
    frame = replace(
        frame, num=np.array([np.nan]), txt=np.array([None]), raw=np.array(["NaN"], np.object_)
    )
    batch = to_batch(frame)
    assert [batch.column(name).null_count for name in ("num", "txt", "raw")] == [0, 1, 0]
    assert same(decode(encode(frame)), frame)
