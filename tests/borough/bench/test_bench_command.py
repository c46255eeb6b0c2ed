"""The verb ``bench``: which cases it takes, its exit code, its last line, its time."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click.testing
import pytest

from borough import cli
from borough.bench import command
from borough.bench.limits import PAIRS_MAX
from borough.bench.result import Case, Pair, Result
from borough.bench.rig.child import BenchError
from borough.cli import borough
from borough.home import HomeError
from borough.settings import Settings


@pytest.fixture
def ratio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, float]:
    """A bench with the cases a and b whose ratios are what this says; bar 1, higher is better."""
    monkeypatch.setenv("BOROUGH_HOME", str(tmp_path))
    ratios = {"a": 1.0, "b": 1.0}

    def made_up(settings: Settings, cases: Sequence[str], pairs: int, say: Any) -> Result:
        say("measuring")
        found = [
            Case(case, "/s", [Pair(ratios[case], 1.0)] * pairs, 1.0, "higher") for case in cases
        ]
        return Result("query", found, {"sync_interval": settings.sync_interval})

    monkeypatch.setattr(command, "_BENCHES", {"query": (("a", "b"), made_up)})
    return ratios


def run(*words: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(borough, ["bench", "query", *words])


def test_the_last_line_is_one_object(ratio: dict[str, float]) -> None:
    done = run("--json")
    assert done.exit_code == 0
    last = json.loads(done.stdout.splitlines()[-1])
    assert [case["case"] for case in last["cases"]] == ["a", "b"]
    assert last["pairs"] == 3
    assert last["sync_interval"] == "1s"


def test_without_json_there_is_a_table_and_progress_goes_elsewhere(ratio: dict[str, float]) -> None:
    done = run()
    assert "made-up" not in done.stdout
    assert "{" not in done.stdout
    assert "measuring" in done.stderr
    assert "measuring" not in done.stdout


def test_a_bar_not_met_is_exit_code_1(ratio: dict[str, float]) -> None:
    ratio["b"] = 0.5
    done = run("--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout.splitlines()[-1])["pass"] is False


def test_cases_can_be_chosen(ratio: dict[str, float]) -> None:
    ratio["b"] = 0.5
    done = run("--case", "a", "--pairs", "2", "--json")
    assert done.exit_code == 0
    last = json.loads(done.stdout.splitlines()[-1])
    assert [case["case"] for case in last["cases"]] == ["a"]
    assert len(last["cases"][0]["measured"]) == 2


def test_an_unknown_case_is_answered_with_the_known_ones(ratio: dict[str, float]) -> None:
    done = run("--case", "cbor")
    assert isinstance(done.exception, HomeError)
    assert str(done.exception) == "query has no case 'cbor'; its cases are a, b"


@pytest.mark.parametrize("pairs", [0, PAIRS_MAX + 1])
def test_the_number_of_pairs_is_bounded(ratio: dict[str, float], pairs: int) -> None:
    done = run("--pairs", str(pairs))
    assert done.exit_code == 2
    assert str(PAIRS_MAX) in done.stderr


def test_the_cases_that_others_rely_on_keep_their_names() -> None:
    known = {name: set(cases) for name, (cases, _) in command._BENCHES.items()}
    assert set(cli._BENCHES) == set(known)
    uplink = {"json", "cbor", "tls", "qos0", "transaction20", "transaction100"}
    assert known["uplink"] >= uplink
    assert known["latency"] >= {"2k", "10k"}
    assert known["query"] >= {"day", "year"}


def test_a_run_that_takes_too_long_is_ended(
    ratio: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(*_: Any) -> Result:
        threading.Event().wait()
        raise AssertionError

    monkeypatch.setattr(command, "_BENCHES", {"query": (("a", "b"), endless)})
    monkeypatch.setattr(command, "RUN_S_MAX", 0.05)
    done = run()
    assert isinstance(done.exception, HomeError)
    assert "not finished within 0.05 s" in str(done.exception)


def test_the_alarm_is_off_after_the_block() -> None:
    with command.within(0.05):
        pass
    assert not threading.Event().wait(0.1)


def test_what_happens_within_the_time_is_not_touched() -> None:
    with pytest.raises(BenchError, match="my own"), command.within(60):
        raise BenchError("my own")
