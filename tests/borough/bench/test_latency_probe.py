"""How the probe turns publishes and answers into latencies; the API made up."""

from __future__ import annotations

import pytest

from borough.bench import latency
from borough.bench.latency import Probe, _p
from borough.bench.rig.child import BenchError


class Scripted(Probe):
    """Each value shows after so many answers; nothing is connected."""

    def __init__(self, answers: int):
        self.published = 0
        self.asked = 0
        self._answers = answers

    def _publish(self) -> int:
        self.published += 1
        return self.published

    def _ask(self) -> int:
        self.asked += 1
        return self.asked // self._answers


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "_PROBES_PER_S", 1_000)


def test_every_value_published_gets_a_latency() -> None:
    probe = Scripted(answers=3)
    latencies = probe.run(0.02)
    assert len(latencies) == probe.published > 1
    assert all(taken >= 0 for taken in latencies)


def test_one_answer_shows_all_values_that_are_as_old() -> None:
    class Late(Scripted):
        def _ask(self) -> int:
            self.asked += 1
            return self.published if self.published == 5 else 0

    probe = Late(answers=1)
    assert len(probe.run(0.0049)) == 5


def test_a_value_that_never_shows_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "_PROBE_S_MAX", 0.01)
    with pytest.raises(BenchError, match="not visible"):
        Scripted(answers=10**9).run(0.005)


def test_values_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "PROBES_WAITING_MAX", 3)
    with pytest.raises(BenchError, match="more than 3 values wait"):
        Scripted(answers=10**9).run(5.0)


def test_the_percentile_is_a_latency_that_was_measured() -> None:
    assert _p([float(number) for number in range(1, 101)], 99) == 99.0
    assert _p([1.0, 2.0, 3.0], 50) == 2.0
