"""The latency probe against a real HTTP server that shows samples when the test says so."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from borough.demo.devices import probe as probe_module
from borough.demo.devices.probe import Probe
from tests.borough.demo.quarter_broker import eventually
from tests.borough.demo.small_platform import TOKEN, SmallPlatform

ADDRESS = "a/n/o/x"


def latencies(probe: Probe) -> list[float]:
    """Return the first latencies that the probe has to give."""
    taken: list[float] = []

    def some() -> bool:
        taken.extend(probe.take())
        return bool(taken)

    eventually(some)
    return taken


@pytest.fixture
def platform() -> SmallPlatform:
    return SmallPlatform()


@pytest.fixture
def probe(platform: SmallPlatform) -> Iterator[Probe]:
    with platform.served() as http:
        probe = Probe(http, TOKEN, None)
        yield probe
        probe.close()


def test_latency_ends_when_the_sample_itself_is_shown(
    platform: SmallPlatform, probe: Probe
) -> None:
    platform.history[ADDRESS] = [(1_000, 1.0, "good")]
    began = time.perf_counter()
    probe.published(ADDRESS, 2_000)
    eventually(lambda: platform.asked["GET data"] >= 3)
    assert probe.take() == []
    waited_ms = (time.perf_counter() - began) * 1_000
    platform.history[ADDRESS].append((2_000, 1.0, "good"))
    (taken,) = latencies(probe)
    assert taken >= waited_ms
    assert probe.missed == 0


def test_point_not_known_yet_and_errors_are_asked_again(
    platform: SmallPlatform, probe: Probe
) -> None:
    platform.fail_next = [500, 503]
    probe.published(ADDRESS, 2_000)
    eventually(lambda: platform.asked["GET data"] >= 4)
    platform.history[ADDRESS] = [(2_000, 1.0, "good")]
    assert len(latencies(probe)) == 1


def test_sample_that_is_never_shown_is_missed(
    platform: SmallPlatform, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_module, "PROBE_S_MAX", 0.1)
    probe.published(ADDRESS, 2_000)
    eventually(lambda: probe.missed == 1)
    assert probe.take() == []


def test_one_question_at_a_time_and_a_bounded_memory(
    platform: SmallPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_module, "PROBES_MAX", 2)
    platform.history[ADDRESS] = [(9_000, 1.0, "good")]
    with platform.served() as http:
        probe = Probe(http, TOKEN, None)
        for number in range(1, 6):
            probe.published(ADDRESS, number)
            eventually(lambda wanted=number: platform.asked["GET data"] >= wanted)  # type: ignore[misc]
        probe.close()
    assert len(probe.take()) == 2
