"""The whole run, with a small quarter: real broker, real processes, and a platform that listens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cbor2
import pytest

from borough.demo import enrol as enrol_module
from borough.demo import quarter as quarter_module
from borough.demo.city.plan import quarter
from borough.demo.platform_api import PlatformError
from borough.demo.quarter import Heard, Site, Summary, run_demo
from tests.borough.demo.quarter_broker import Authority, City, TestBroker, comes_true, free_port
from tests.borough.demo.small_platform import TOKEN, SmallPlatform

KEYS = {"pedestrians-01", "noise-1", "room-1", "loop-1", "road-1", "lights-01"}
THINGS = tuple(thing for thing in quarter() if thing.key in KEYS)


class Listening:
    """Puts what the broker delivers into the platform's history, as core does."""

    def __init__(self, platform: SmallPlatform, city: City) -> None:
        self._platform = platform
        self._city = city
        self._ended = threading.Event()
        self.drop = 0
        """Readings to lose."""
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._city.messages.put(None)  # type: ignore[arg-type]  # wakes the thread
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            message = self._city.messages.get()
            if message is None or message.payload[:4] == b"DEAD" or not message.payload:
                continue
            load = json.loads if message.payload[:1] == b"{" else cbor2.loads
            with self._platform.lock:
                for address, data in self._entries(message.topic, load(message.payload)):
                    if self.drop:
                        self.drop -= 1
                        continue
                    # Energy arrives in Wh and is kept in kWh, as its overlay says.
                    factor = 0.001 if address.endswith("/energy") else 1.0
                    row = (round(data["timestamp"] * 1_000), data["value"] * factor, "good")
                    rows = self._platform.history.setdefault(address, [])
                    if row not in rows[-50:]:
                        rows.append(row)

    @staticmethod
    def _entries(topic: str, document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        verb, _, rest = topic.partition("/")
        if verb == "@update":
            return [(rest, document)]
        if verb == "@transaction":
            return list(document["attributes"].items())
        if verb == "@delayed":
            return [(m["topic"].removeprefix("@update/"), m["data"]) for m in document["messages"]]
        return []


@pytest.fixture
def platform(authority: Authority) -> SmallPlatform:
    return SmallPlatform(authority)


@pytest.fixture
def listening(platform: SmallPlatform, city: City) -> Iterator[Listening]:
    listening = Listening(platform, city)
    yield listening
    listening.close()


@pytest.fixture
def small_quarter(
    monkeypatch: pytest.MonkeyPatch, recordings_here: Path, tmp_path: Path, kept_recordings: Path
) -> Path:
    """Returns the home; the quarter has a few things with a past of one day."""
    monkeypatch.setattr(quarter_module, "quarter", lambda: THINGS)
    monkeypatch.setattr(enrol_module, "PAST_DAYS", 1)
    monkeypatch.setenv("PYTHONPATH", str(recordings_here))
    home = tmp_path / "home"
    (home / "demo").mkdir(parents=True)
    (home / "demo" / "recordings").symlink_to(kept_recordings)
    return home


async def given_token() -> str:
    return TOKEN


def run(
    platform: SmallPlatform,
    home: Path,
    port: int,
    seconds: float | None,
    stop: asyncio.Event | None = None,
    said: list[str] | None = None,
) -> Summary:
    async def work(http: str) -> Summary:
        site = Site(http, ("127.0.0.1", port), given_token)
        lines = [] if said is None else said
        return await run_demo(site, home, seconds, stop or asyncio.Event(), say=lines.append)

    with platform.served() as http:
        return asyncio.run(work(http))


def test_first_run_loses_nothing_and_the_second_tells_what_history_does_not_have(
    platform: SmallPlatform,
    broker: TestBroker,
    listening: Listening,
    small_quarter: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = run(platform, small_quarter, broker.port, 0.5)
    assert (first.endpoints, first.device_kinds) == (6, 6)
    past = (24 + 144 + 2 * 144 + 24) + (24 + 3 * 48)  # cloud.iO things, then polled ones
    assert first.sent == first.acked == first.stored > past
    assert (first.lost, first.duplicates, first.dropped, first.quarantined) == (0, 0, 0, 0)
    assert (first.polled, first.gaps) == (0, 2)  # nobody polls here, which is told
    assert 0 < first.first_sample_s < 60
    assert first.disputed == ()
    ledgers = small_quarter / "demo" / "ledgers"
    assert {path.suffix for path in ledgers.iterdir()} == {".uploaded"}

    monkeypatch.setattr("borough.demo.account.SETTLE_S_MAX", 2.0)
    listening.drop = 2
    second = run(platform, small_quarter, broker.port, 2.5)
    assert second.sent == second.acked < first.sent / 2
    assert (second.lost, second.stored, second.duplicates) == (2, second.acked - 2, 0)
    assert len(second.disputed) == 2
    assert second.latency_ms["p50"] is not None


@pytest.mark.usefixtures("listening")
def test_killed_device_process_comes_back_and_nothing_acknowledged_is_lost(
    platform: SmallPlatform, broker: TestBroker, small_quarter: Path
) -> None:
    stop = asyncio.Event()
    said: list[str] = []

    async def work(http: str) -> Summary:
        site = Site(http, ("127.0.0.1", broker.port), given_token)
        running = asyncio.create_task(run_demo(site, small_quarter, None, stop, say=said.append))
        await comes_true(lambda: any("first sample" in line for line in said) or running.done())
        victims = device_processes()
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        await comes_true(lambda: len(set(device_processes()) - set(victims)) == len(victims))
        before = sum(map(len, platform.history.values()))
        await comes_true(lambda: sum(map(len, platform.history.values())) > before)
        stop.set()
        return await running

    with platform.served() as http:
        found = asyncio.run(work(http))
    assert found.acked == found.stored > 0
    assert (found.lost, found.duplicates) == (0, 0)


def device_processes() -> list[int]:
    """Return the device processes that this test's process started."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    module = b"borough.demo.devices.device_process"
    return [int(pid) for pid in children if module in command_of(pid).split(b"\0")]


def command_of(pid: str) -> bytes:
    """Return the command line of a process, nothing when it has just ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def test_no_sample_in_time_is_one_sentence_that_says_why(
    platform: SmallPlatform, small_quarter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarter_module, "FIRST_SAMPLE_S_MAX", 1.5)
    monkeypatch.setattr(quarter_module, "STOP_S_MAX", 1.0)
    with pytest.raises(PlatformError, match=r"no live sample .* a device says: 127\.0\.0\.1"):
        run(platform, small_quarter, free_port(), 1.0)


def test_run_that_is_stopped_before_its_first_sample_still_ends_in_order(
    platform: SmallPlatform, small_quarter: Path
) -> None:
    stop = asyncio.Event()
    stop.set()
    found = run(platform, small_quarter, free_port(), None, stop)
    assert (found.sent, found.lost) == (0, 0)


@pytest.mark.usefixtures("listening")
def test_run_does_not_wait_for_ever_for_the_past(
    platform: SmallPlatform,
    broker: TestBroker,
    small_quarter: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quarter_module, "BACKFILL_WAIT_S_MAX", 0.2)
    monkeypatch.setattr(Heard, "take", lambda self, report: None)  # nobody hears that it is done
    found = run(platform, small_quarter, broker.port, 0.1)
    assert (found.lost, found.duplicates) == (0, 0)


def test_counters_go_on_over_a_restart() -> None:
    heard = Heard()
    for sent in (5, 9, 2, 4):
        heard.take({"sent": sent, "resent": 1, "dropped": 0, "latency_ms": [1.0]})
    assert (heard.total("sent"), heard.total("resent")) == (13, 2)
    assert len(heard.latencies_ms) == 4
