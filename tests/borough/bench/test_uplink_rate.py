"""How the uplink bench drives a load and waits until all of it is stored; sides made up."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, cast

import pytest

from borough.bench import uplink
from borough.bench.load.traffic import Kind
from borough.bench.rig.child import BenchError, Child
from borough.bench.uplink import Plan, Stored

PLAN = Plan(window_s=4.0, warm_s=0.0)


class Script:
    """A load and a side in one: each look is a second later; what waits comes from a list."""

    def __init__(self, waiting: list[int], stored_in_the_end: int = 100):
        self._waiting = itertools.chain(waiting, itertools.repeat(0))
        self._seconds = itertools.count()
        self._stored_in_the_end = stored_in_the_end
        self.told: list[str] = []
        self.load = cast(Child, self)

    def tell(self, **what: Any) -> Mapping[str, Any]:
        if what["do"] != "count":
            self.told.append(what["do"])
        settled = self.told[-1:] == ["hold"]
        return {"sent": 100, "acked": 100, "values": 100 if settled else 0}

    def stored(self) -> Stored:
        second = next(self._seconds)
        if not self.told:
            return Stored(second, 0, 0)
        values = self._stored_in_the_end if self.told[-1] == "hold" else min(100, 10 * second)
        return Stored(second, values, next(self._waiting))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink, "_LOOK_S", 0.0)
    monkeypatch.setattr(uplink, "_SETTLE_LOOK_S", 0.0)


def test_the_rate_is_what_was_stored_in_the_window() -> None:
    side = Script([])
    assert uplink._rate(side, Kind.SINGLE, PLAN) == 10.0
    assert side.told == ["saturate", "hold"]


def test_the_load_holds_while_too_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink, "WAITING_BYTES_MAX", 100 * Kind.SINGLE.message_bytes)
    side = Script([0, 101, 60, 49])
    uplink._rate(side, Kind.SINGLE, PLAN)
    assert side.told == ["saturate", "hold", "saturate", "hold"]


def test_as_much_as_may_wait_does_not_hold_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink, "WAITING_BYTES_MAX", 100 * Kind.SINGLE.message_bytes)
    side = Script([100, 100, 100, 100])
    uplink._rate(side, Kind.SINGLE, PLAN)
    assert side.told == ["saturate", "hold"]


def test_what_is_acknowledged_and_never_stored_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink, "SETTLE_S_MAX", 0.05)
    with pytest.raises(BenchError, match="1 acknowledged values not stored"):
        uplink._rate(Script([], stored_in_the_end=99), Kind.SINGLE, PLAN)


def test_more_stored_than_sent_is_an_error() -> None:
    with pytest.raises(BenchError, match="1 values more are stored"):
        uplink._rate(Script([], stored_in_the_end=101), Kind.SINGLE, PLAN)
