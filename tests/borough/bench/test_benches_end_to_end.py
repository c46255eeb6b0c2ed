"""Each bench once, tiny, on a real platform: the format and the figures' presence, not the bars."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from borough.bench import audit, enrol, latency, live, mashup, query, uplink
from borough.bench.limits import ENROL_PARALLEL
from borough.bench.result import Result
from borough.bench.rig.past import MINUTE_MS, YEAR_MS
from borough.settings import Settings

SAID: list[str] = []


def run_uplink(settings: Settings) -> Result:
    plan = uplink.Plan(devices=ENROL_PARALLEL + 1, window_s=0.5, warm_s=0.2)
    return uplink.bench(settings, uplink.CASES, 1, SAID.append, plan)


def run_latency(settings: Settings) -> Result:
    plan = latency.Plan(devices=3, window_s=0.5, warm_s=0.2)
    return latency.bench(settings, ("2k",), 1, SAID.append, plan)


def run_live(settings: Settings) -> Result:
    plan = live.Plan(devices=3, readers=2, window_s=0.5, warm_s=0.2)
    return live.bench(settings, live.CASES, 1, SAID.append, plan)


def run_audit(settings: Settings) -> Result:
    return audit.bench(settings, audit.CASES, 1, SAID.append, audit.Plan(2, 0.3, 0.1))


def run_enrol(settings: Settings) -> Result:
    return enrol.bench(settings, enrol.CASES, 1, SAID.append, enrol.Plan(20, 5))


def run_query(settings: Settings) -> Result:
    samples = YEAR_MS // MINUTE_MS + 5_000
    plan = query.Plan(1, 1, samples, requests=2, warm=1, window_s=1.0, rate=50.0)
    return query.bench(settings, query.CASES, 1, SAID.append, plan)


def run_mashup(settings: Settings) -> Result:
    return mashup.bench(settings, mashup.CASES, 1, SAID.append, events=20_000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("run", "cases"),
    [
        (run_uplink, list(uplink.CASES)),
        (run_latency, ["2k"]),
        (run_live, ["2k", "stalled"]),
        (run_audit, ["point", "history"]),
        (run_enrol, ["batch", "redeem"]),
        (run_query, ["day", "year", "ingest"]),
        (run_mashup, ["rate", "share"]),
    ],
)
def test_a_tiny_run_gives_a_whole_result(
    run: Callable[[Settings], Result], cases: list[str], tmp_path: Path
) -> None:
    written = json.loads(json.dumps(run(Settings(home=tmp_path)).as_dict()))
    assert [case["case"] for case in written["cases"]] == cases
    assert written["sync_interval"] == "1s"
    assert written["pairs"] == 1
    for case in written["cases"]:
        assert case["ours"] > 0
        assert case["baseline"] > 0
        assert case["ratio"] > 0
        assert isinstance(case["pass"], bool)
    assert not list(tmp_path.iterdir()), "the bench has a home of its own"
