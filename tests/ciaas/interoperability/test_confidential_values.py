"""Sealed values: back as they were at their place, and nothing anywhere else."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ciaas.interoperability.confidential import PREFIX, ConfidentialValues
from ciaas.kernel.sample import DTYPES, Frame, Kind
from ciaas.ports import HistoryError, Series

ONE, TWO, THREE = "1" * 32, "2" * 32, "3" * 32
KEYS = {ONE: os.urandom(64), TWO: os.urandom(64)}
ADA, BOB, NOBODY, LOST = 7, 8, 9, 10

Sample = tuple[int, int, int, float, str | None, str | None]
"""Point, time, kind, number, text, raw."""

NUMBERS = st.tuples(
    st.sampled_from([int(Kind.NUMBER), int(Kind.BOOLEAN), int(Kind.INTEGER)]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.none(),
)
TEXTS = st.tuples(st.just(int(Kind.TEXT)), st.just(math.nan), st.text(max_size=40))
NULLS = st.just((int(Kind.NULL), math.nan, None))
SAMPLES = st.lists(
    st.tuples(
        st.sampled_from([ADA, BOB, NOBODY]),
        st.integers(0, 10**12),
        NUMBERS | TEXTS | NULLS,
        st.none() | st.text(max_size=20),
    ).map(lambda drawn: (drawn[0], drawn[1], *drawn[2], drawn[3])),
    max_size=20,
)


def values(used: bool = True) -> ConfidentialValues:
    found = ConfidentialValues(KEYS.get)
    found.declare({ADA: ONE, BOB: TWO, LOST: THREE, NOBODY: None})
    if used:
        found.use()
    return found


def frame(samples: list[Sample]) -> Frame:
    columns: dict[str, Any] = {
        name: np.zeros(len(samples), dtype) for name, dtype in DTYPES.items()
    }
    for row, (point, observed, kind, num, *_) in enumerate(samples):
        columns["point"][row], columns["observed"][row] = point, observed
        columns["kind"][row], columns["num"][row] = kind, num
    columns["txt"] = objects([sample[4] for sample in samples])
    columns["raw"] = objects([sample[5] for sample in samples])
    return Frame(**columns)


def objects(texts: list[str | None]) -> Any:
    found = np.empty(len(texts), np.object_)
    found[:] = texts
    return found


def rows(of: Frame) -> list[Sample]:
    return [
        (int(p), int(o), int(k), float(n), t, r)
        for p, o, k, n, t, r in zip(
            of.point, of.observed, of.kind, of.num, of.txt, of.raw, strict=True
        )
    ]


def same(one: list[Sample], other: list[Sample]) -> bool:
    """Compare with nan equal to nan."""
    return [tuple(map(str, row)) for row in one] == [tuple(map(str, row)) for row in other]


@settings(max_examples=60, deadline=None)
@given(SAMPLES)
def test_values_come_back_as_they_were(samples: list[Sample]) -> None:
    veil, clear = values(), frame(samples)
    sealed = veil.seal(clear)
    assert same(rows(clear), rows(frame(samples))), "what was handed over is not altered"
    for before, row in zip(samples, rows(sealed), strict=True):
        if before[0] == NOBODY:
            assert same([row], [before])
        else:
            assert row[2] == Kind.TEXT and math.isnan(row[3]) and row[5] is None
            assert row[4] is not None and row[4].startswith(PREFIX)
    if not any((s[4] or "").startswith(PREFIX) for s in samples):
        assert same(rows(veil.open(sealed)), samples)


def test_equal_values_look_alike_at_one_place_alone() -> None:
    veil = values()
    sample = (ADA, 1_000, int(Kind.NUMBER), 61.5, None, None)
    texts = veil.seal(
        frame([sample, sample, (ADA, 1_001, *sample[2:]), (BOB, *sample[1:])])
    ).txt.tolist()
    assert texts[0] == texts[1] and len(set(texts)) == 3


def test_a_value_moved_to_another_place_or_changed_is_null() -> None:
    veil = values()
    sealed = veil.seal(frame([(ADA, 1_000, int(Kind.NUMBER), 61.5, None, None)]))
    text = str(sealed.txt[0])
    for moved in (
        replace(sealed, observed=sealed.observed + 1),
        replace(sealed, point=np.array([BOB], np.uint32)),
        replace(sealed, txt=objects([text[:-5] + "AAAA="])),
        replace(sealed, txt=objects([text + "!"])),
        replace(sealed, txt=objects([text.replace(ONE, TWO)])),
        replace(sealed, txt=objects([text.replace(ONE, THREE)])),
    ):
        assert veil.open(moved).kind.tolist() == [Kind.NULL]
        assert veil.open(moved).txt.tolist() == [None]


@pytest.mark.parametrize("text", [PREFIX, PREFIX + "x.AAAA", PREFIX + "9" * 5_000 + ".AAAA", "a"])
def test_a_text_that_only_begins_like_ours_stays(text: str) -> None:
    own = frame([(NOBODY, 1, int(Kind.TEXT), math.nan, text, None)])
    assert values().open(own).txt.tolist() == [text]


def test_what_has_no_key_any_more_is_null_on_its_way_in_and_out() -> None:
    veil = values()
    coming = frame([(LOST, 1, int(Kind.TEXT), math.nan, "secret", "raw")])
    sealed = veil.seal(coming)
    assert rows(sealed)[0][2] == Kind.NULL and rows(sealed)[0][4:] == (None, None)
    kept = dict(KEYS)
    forgetful = ConfidentialValues(kept.get)
    forgetful.declare({ADA: ONE})
    forgetful.use()
    stored = forgetful.seal(frame([(ADA, 1, int(Kind.NUMBER), 61.5, None, "61.50")]))
    del kept[ONE]
    assert rows(forgetful.open(stored))[0][2:] != rows(stored)[0][2:]
    assert rows(forgetful.open(stored))[0][4:] == (None, None)


def test_an_answer_of_history_is_opened_too() -> None:
    veil = values()
    sealed = veil.seal(frame([(ADA, 5, int(Kind.BOOLEAN), 1.0, None, None)]))
    series = Series(
        sealed.point, sealed.observed, sealed.kind, sealed.num, sealed.txt, sealed.verdict,
        sealed.reason, False,
    )  # fmt: skip
    opened = veil.open_series(series)
    assert (opened.kind.tolist(), opened.num.tolist()) == ([Kind.BOOLEAN], [1.0])
    assert veil.open_series(opened) is opened


def test_a_city_without_confidential_points_pays_nothing() -> None:
    idle = ConfidentialValues(KEYS.get)
    idle.declare({number: None for number in range(1_000)})
    clear = frame([(ADA, 1, int(Kind.TEXT), math.nan, "a", None)])
    assert idle.seal(clear) is clear and idle.open(clear) is clear
    idle.refuse(np.array([ADA], np.uint32))
    assert idle.subject(ADA) is None


def test_figures_are_refused_as_long_as_a_point_is_confidential() -> None:
    veil = values()
    with pytest.raises(HistoryError, match="is confidential"):
        veil.refuse(np.array([NOBODY, ADA], np.uint32))
    veil.refuse(np.array([NOBODY], np.uint32))
    veil.declare({ADA: None, NOBODY: None})
    assert veil.subject(ADA) == ONE, "it stays so"
    assert veil.subject(NOBODY) is None


def test_it_tells_whether_a_value_has_lost_its_key() -> None:
    veil = values()
    assert veil.keeps(np.array([ADA, BOB, NOBODY], np.uint32))
    assert veil.keeps(np.array([], np.uint32))
    assert not veil.keeps(np.array([ADA, LOST], np.uint32))
