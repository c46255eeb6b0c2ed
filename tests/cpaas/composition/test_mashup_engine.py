"""Many mashups over one stream: ids that repeat, a past for who was just published, bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ciaas.kernel.address import EndpointId
from ciaas.management.mashup import MashupVersion
from cpaas.composition.running import engine as module
from cpaas.composition.running.checkpoint import Checkpoint, CheckpointFailed, Kept
from cpaas.composition.running.engine import Engine, Outcome
from tests.cpaas.composition import graphs
from tests.cpaas.composition.graphs import POINTS, START, document, frame, planned

UUID = EndpointId("00000000-0000-4000-8000-0000000000aa")


def version(given: Any, number: int = 1, at: int = START) -> MashupVersion:
    planned_ = planned(given)[1].document()
    for output in planned_["outputs"].values():
        output["points"] = [100 + key for key in output["keys"]]
    return MashupVersion(UUID, number, given, planned_, "", 1, at)


COPY = document(
    [
        ("s", "source", {"points": POINTS}),
        ("v", "virtual-point", {"name": "Copy"}),
        ("t", "threshold", {"limit": 0}),
        ("c", "command", {"targets": [graphs.LAMP], "whenTrue": 1, "whenFalse": 0}),
        ("h", "webhook", {"url": "https://city.example/hook"}),
        ("one", "window", {"sizeS": 1, "group": "all"}),
    ],
    "s>v", "s>one", "one>t", "t>c", "t>h",
)  # fmt: skip

PLAIN = document(
    [("s", "source", {"points": POINTS}), ("v", "virtual-point", {"name": "Copy"})], "s>v"
)
"""Its results wait for nothing."""


def ids(outcome: Outcome) -> list[str]:
    return [written.id for written in outcome.written]


def test_what_is_computed_again_has_the_same_ids_and_keys() -> None:
    rows = frame([(0, 100, 1.0), (1, 1_200, -2.0), (2, 2_300, 3.0)])
    outcomes = []
    for _ in range(2):
        engine = Engine(START - 1)
        engine.begin(version(COPY), 7, START - 1, 0)
        outcomes.append(engine.advance(rows, START + 10_000))
    first, again = outcomes
    assert ids(first) == ids(again) and first.orders == again.orders
    assert first.tellings == again.tellings
    assert [order.value for order in first.orders] == [1, 0, 1]
    assert {order.address for order in first.orders} == {graphs.LAMP}
    assert len({order.key for order in first.orders}) == 3
    assert first.tellings[0].event["data"] == {"key": "all", "value": True}
    [written] = first.written
    assert written.frame.source.tolist() == [7] * 3
    assert sorted(written.frame.num.tolist()) == [-2, 1, 3]


def test_other_samples_have_another_id() -> None:
    engine = Engine(START - 1)
    engine.begin(version(PLAIN), 7, START - 1, 0)
    parts = [engine.advance(frame([(0, 100 * n, 1.0)]), 0) for n in range(1, 4)]
    assert len({id_ for part in parts for id_ in ids(part)}) == len(parts)


def test_one_that_was_just_published_has_what_came_since() -> None:
    engine = Engine(START - 1)
    engine.advance(frame([(0, 100, 1.0), (0, 900, 2.0)]), 0)
    owed = engine.begin(version(PLAIN), 7, START + 500, 10_000)
    assert [w.frame.num.tolist() for w in owed.written] == [[2.0]]
    engine.end(UUID)
    assert engine.advance(frame([(0, 950, 3.0)]), 0) == Outcome()
    late = engine.begin(version(PLAIN), 7, START - 20_000, 10_000)
    assert late.written == [], "of long ago nothing is known any more"


def test_the_past_that_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MASHUP_BACKLOG_ROWS_MAX", 2)
    engine = Engine(START - 1)
    for n in range(1, 5):
        engine.advance(frame([(0, 100 * n, float(n))]), 0)
    owed = engine.begin(version(PLAIN), 7, START, 10_000)
    assert [w.frame.num.tolist() for w in owed.written] == [[3.0], [4.0]]


def test_results_go_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MASHUP_OUTPUT_ROWS_MAX", 2)
    engine = Engine(START - 1)
    engine.begin(version(PLAIN), 7, START - 1, 0)
    outcome = engine.advance(frame([(0, n, float(n)) for n in range(1, 6)]), 0)
    assert [len(written.frame) for written in outcome.written] == [2, 2, 1]


def test_a_version_goes_on_where_it_was_kept(tmp_path: Path) -> None:
    rows = [frame([(0, 400, 1.0)]), frame([(0, 800, 5.0), (0, 4_000, 2.0)])]
    whole = Engine(START - 1)
    whole.begin(version(COPY), 7, START - 1, 0)
    expected = [whole.advance(part, 0) for part in rows]

    first = Engine(START - 1)
    first.begin(version(COPY), 7, START - 1, 0)
    first.advance(rows[0], 0)
    job = first.jobs[UUID]
    kept = Kept(1, job.outputs, job.start, job.runtime.snapshot())
    checkpoint = Checkpoint(tmp_path / "compose")
    checkpoint.write(b"here", {UUID: kept, "gone": kept}, [UUID, "gone"], [b"a", b"b"])
    checkpoint.write(b"there", {}, [UUID], None)
    checkpoint.close()

    place, states, waiting = Checkpoint(tmp_path / "compose").read()
    assert (place, set(states), waiting) == (b"there", {UUID}, [b"a", b"b"])
    second = Engine(first.clock)
    second.resume(version(COPY), 7, states[UUID])
    assert ids(second.advance(rows[1], 0)) == ids(expected[1])
    assert second.jobs[UUID].outputs == whole.jobs[UUID].outputs


def test_a_checkpoint_that_fails_keeps_the_one_before(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    checkpoint.write(b"one", {}, [], [b"x"])
    with pytest.raises(CheckpointFailed):
        checkpoint.write(b"two", {}, [], [None])  # type: ignore[list-item]  # no such row can be kept
    place, _, waiting = checkpoint.read()
    assert (place, waiting) == (b"one", [b"x"])
    checkpoint.close()


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointFailed, match="file"):
        Checkpoint(tmp_path / "file")


def test_nodes_rest_by_what_the_rights_say() -> None:
    engine = Engine(START - 1)
    engine.begin(version(PLAIN), 7, START - 1, 0)
    engine.recheck(lambda job: {"s": "no right"})
    outcome = engine.advance(frame([(0, 100, 1.0)]), START + 9_000)
    assert (outcome.written, outcome.orders) == ([], [])
    assert engine.jobs[UUID].status(5)["paused"] == {"s": "no right"}
    engine.recheck(lambda job: {})
    assert ids(engine.advance(frame([(0, 9_100, 1.0)]), 0))
