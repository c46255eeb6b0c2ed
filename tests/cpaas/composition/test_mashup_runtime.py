"""A mashup at work: the same whatever the batches, live and in a dry run, and after a restart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ciaas.kernel.sample import Frame
from cpaas.composition.graph import Graph
from cpaas.composition.plan import Plan
from cpaas.composition.running import rehearsal
from cpaas.composition.running.entrance import Rows
from cpaas.composition.running.rehearsal import rehearse
from cpaas.composition.running.runtime import Runtime
from tests.cpaas.composition import graphs
from tests.cpaas.composition.graphs import START, document, frame, planned

Event = tuple[str, int, int, float]
END = START + 120_000


def run(
    graph: Graph, plan: Plan, batches: Sequence[Frame], *, restarted: bool = False
) -> list[Event]:
    """Return all that the nodes that act were given, in order of node and time."""
    runtime, clock = Runtime(graph, plan, START), START
    events: list[Event] = []
    for batch in batches:
        rows = Rows.of(batch, clock)
        clock = max([clock, *batch.received.tolist()])
        _gather(events, runtime.advance(rows, clock))
        if restarted:
            snapshot, runtime = runtime.snapshot(), Runtime(graph, plan, START)
            runtime.restore(snapshot)
    _gather(events, runtime.advance(Rows.empty(), END + runtime.lateness))
    assert runtime.late == runtime.dropped == 0
    return sorted(events)


def _gather(events: list[Event], acts: Any) -> None:
    for node, flow in acts.items():
        columns = zip(flow.time.tolist(), flow.key.tolist(), flow.value.tolist(), strict=True)
        events.extend((node, time, key, value) for time, key, value in columns)


class Past:
    """History that holds one frame."""

    def __init__(self, rows: Frame) -> None:
        self._rows = rows

    def series(self, span: Any) -> Any:
        frame = self._rows
        order = np.lexsort((frame.observed, frame.point))
        inside = np.isin(frame.point, span.points)[order]
        order = order[inside]

        class Answer:
            point, observed, kind = frame.point[order], frame.observed[order], frame.kind[order]
            num, verdict, truncated = frame.num[order], frame.verdict[order], False

        return Answer()


@settings(max_examples=60, deadline=None)
@given(given_=graphs.documents(), rows=graphs.samples, data=st.data())
def test_batches_restarts_and_dry_runs_give_the_same(
    given_: Any, rows: list[tuple[int, int, float]], data: st.DataObject
) -> None:
    graph, plan = planned(given_)
    whole = run(graph, plan, [frame(rows)])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=8)))
    parts = [frame(rows[a:b]) for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    assert run(graph, plan, parts) == whole
    assert run(graph, plan, parts, restarted=True) == whole
    one_by_one = [frame([row]) for row in rows]
    assert run(graph, plan, one_by_one) == whole
    found = rehearse(graph, plan, Past(frame(rows)), START, END)  # type: ignore[arg-type]  # one method of it
    events: list[Event] = []
    _gather(events, found.acts)
    assert sorted(events) == whole


@settings(max_examples=60, deadline=None)
@given(rows=graphs.samples, data=st.data())
def test_what_comes_a_little_late_is_put_in_its_place(
    rows: list[tuple[int, int, float]], data: st.DataObject
) -> None:
    graph, plan = planned(
        document(
            [
                ("s", "source", {"points": graphs.POINTS}),
                ("w", "window", {"sizeS": 5, "function": "last"}),
                ("t", "threshold", {"limit": 0, "forS": 3}),
                ("v", "virtual-point", {"name": "V"}),
                ("a", "alarm", {"text": "A"}),
            ],
            "s>w", "w>v", "s>t", "t>a",
            latenessS=5,
        )
    )  # fmt: skip
    whole = run(graph, plan, [frame([row]) for row in rows])
    delays = [data.draw(st.integers(0, 4_999)) for _ in rows]
    arriving = sorted(zip(rows, delays, strict=True), key=lambda pair: pair[0][1] + pair[1])
    assert run(graph, plan, [frame([row], delay) for row, delay in arriving]) == whole


def test_what_comes_too_late_is_left_out_and_counted() -> None:
    graph, plan = planned(_mean())
    runtime = Runtime(graph, plan, START)
    runtime.advance(Rows.of(frame([(0, 10_000, 1.0)]), START), START + 10_000)
    late = frame([(0, 7_000, 9.0)], delay=4_000)
    runtime.advance(Rows.of(late, START + 10_000), START + 11_000)
    assert runtime.late == 1
    in_time = frame([(0, 9_500, 9.0)], delay=1_500)
    runtime.advance(Rows.of(in_time, START + 11_000), START + 11_000)
    assert runtime.late == 1 and runtime.counts["s"] == 0, "both wait for their time"
    acts = runtime.advance(Rows.empty(), START + 22_000)
    assert acts["v"].value.tolist() == [9.0, 1.0]


def test_too_many_that_wait_are_dropped_and_counted(monkeypatch: Any) -> None:
    from cpaas.composition.running import entrance

    monkeypatch.setattr(entrance, "MASHUP_WAITING_ROWS_MAX", 3)
    graph, plan = planned(_mean())
    runtime = Runtime(graph, plan, START)
    ahead = frame([(0, 60_000 + n, 1.0) for n in range(5)], delay=-60_000)
    runtime.advance(Rows.of(ahead, START), START)
    assert runtime.dropped == 2


def test_a_paused_node_rests_with_all_that_it_feeds_and_begins_anew() -> None:
    graph, plan = planned(
        document(
            [
                ("a", "source", {"points": graphs.POINTS[:1]}),
                ("b", "source", {"points": graphs.POINTS[1:2]}),
                ("qa", "silence", {"afterS": 5}),
                ("va", "virtual-point", {"name": "A"}),
                ("vb", "virtual-point", {"name": "B"}),
            ],
            "a>qa", "qa>va", "b>vb",
        )
    )  # fmt: skip
    runtime = Runtime(graph, plan, START)
    runtime.pause({"a"})
    assert runtime.paused == {"a", "qa", "va"}
    acts = runtime.advance(Rows.of(frame([(0, 1, 1.0), (1, 2, 2.0)]), START), START + 60_000)
    assert set(acts) == {"vb"}
    runtime.pause(())
    assert runtime.advance(Rows.empty(), START + 62_000) == {}, "its silence begins anew"
    assert set(runtime.advance(Rows.empty(), START + 70_000)) == {"va"}


def test_a_dry_run_is_bounded(monkeypatch: Any) -> None:
    import pytest

    from ciaas.kernel.uplink import Busy
    from cpaas.composition.nodes.contract import Fault

    graph, plan = planned(_mean())
    past: Any = Past(frame([(0, n, 1.0) for n in range(9)]))
    monkeypatch.setattr(rehearsal, "DRY_RUN_ROWS_MAX", 8)
    with pytest.raises(Fault, match="more than 8 samples"):
        rehearse(graph, plan, past, START, END)
    monkeypatch.setattr(rehearsal, "DRY_RUN_ROWS_MAX", 9)
    monkeypatch.setattr(rehearsal, "DRY_RUN_SLICE_ROWS", 2)
    assert rehearse(graph, plan, past, START, END).read == 9
    held = [rehearsal._running.acquire() for _ in range(2)]
    with pytest.raises(Busy):
        rehearse(graph, plan, past, START, END)
    for _ in held:
        rehearsal._running.release()


def _mean() -> Any:
    return document(
        [
            ("s", "source", {"points": graphs.POINTS[:1]}),
            ("w", "window", {"sizeS": 10, "function": "mean"}),
            ("v", "virtual-point", {"name": "V"}),
        ],
        "s>w", "w>v",
    )  # fmt: skip
