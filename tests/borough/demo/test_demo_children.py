"""Child processes: heard, started again a few times, ended in order."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from borough.demo.children import Child
from borough.demo.limits import CHILD_RESTARTS_MAX, REPORT_LINE_BYTES_MAX
from tests.borough.demo.quarter_broker import comes_true


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that tells what it hears, then does as its argument says."""
    (tmp_path / "obedient_child.py").write_text(
        """
import json, os, signal, sys, time
told = json.loads(sys.stdin.readline())
print(json.dumps({"told": told, "pid": os.getpid()}), flush=True)
if sys.argv[1] == "end":
    sys.exit(5)
if sys.argv[1] == "long":
    print(json.dumps("x" * int(told["length"])), flush=True)
if sys.argv[1] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(json.dumps({"deaf": True}), flush=True)
while True:
    time.sleep(0.05)
"""
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "obedient_child"


def arguments_of(pid: int | None) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def telling(words: Mapping[str, Any]) -> Callable[[], Awaitable[Mapping[str, Any]]]:
    async def told() -> Mapping[str, Any]:
        return words

    return told


class Ear:
    def __init__(self) -> None:
        self.heard: list[Any] = []

    async def until(self, count: int) -> None:
        await comes_true(lambda: len(self.heard) >= count)


def test_child_hears_its_secret_and_its_parent_and_ends_when_told(module: str) -> None:
    async def run() -> None:
        ear = Ear()
        child = Child(module, ("stay",), telling({"token": "secret"}), ear.heard.append)
        child.start()
        await ear.until(1)
        assert ear.heard[0]["told"] == {"token": "secret", "parent": os.getpid()}
        assert child.pid == ear.heard[0]["pid"]
        assert "secret" not in arguments_of(child.pid)
        assert os.getpgid(child.pid or 0) != os.getpgid(0)  # Ctrl-C does not reach it
        assert await child.stop(10) == -signal.SIGTERM
        assert child.pid is None and child.restarts == 0

    asyncio.run(run())


def test_child_that_ends_is_started_again_until_it_is_hopeless(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("borough.demo.children._RESTART_S", 0.01)

    async def run() -> None:
        ear = Ear()
        child = Child(module, ("end",), telling({}), ear.heard.append)
        child.start()
        await comes_true(child.failed)
        assert len(ear.heard) == CHILD_RESTARTS_MAX + 1
        assert "with code 5" in child.failed()

    asyncio.run(run())


def test_killed_child_comes_back(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("borough.demo.children._RESTART_S", 0.01)

    async def run() -> None:
        ear = Ear()
        child = Child(module, ("stay",), telling({}), ear.heard.append)
        child.start()
        await ear.until(1)
        os.kill(ear.heard[0]["pid"], signal.SIGKILL)
        await ear.until(2)
        assert child.restarts == 1 and not child.failed()
        await child.stop(10)

    asyncio.run(run())


def test_child_that_does_not_end_is_killed(module: str) -> None:
    async def run() -> None:
        ear = Ear()
        child = Child(module, ("deaf",), telling({}), ear.heard.append)
        child.start()
        await ear.until(2)
        assert await child.stop(0.2) == -signal.SIGKILL

    asyncio.run(run())


def test_child_that_never_started_is_stopped_at_once(module: str) -> None:
    assert asyncio.run(Child(module, (), telling({}), print).stop(1)) == 0


def test_child_that_still_waits_for_its_word_is_ended_all_the_same(module: str) -> None:
    async def run() -> None:
        word: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        child = Child(module, ("stay",), lambda: word, print)
        child.start()
        await comes_true(lambda: child.pid is not None)
        pid = child.pid
        assert await child.stop(10) == -signal.SIGKILL
        assert child.pid is None
        with pytest.raises(ProcessLookupError):
            os.kill(pid or 0, 0)

    asyncio.run(run())


def test_child_that_speaks_too_long_a_line_is_started_again(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("borough.demo.children._RESTART_S", 0.01)

    async def run() -> None:
        ear = Ear()
        told = {"length": REPORT_LINE_BYTES_MAX}
        child = Child(module, ("long",), telling(told), ear.heard.append)
        child.start()
        await ear.until(1)
        told["length"] = 10
        await ear.until(3)
        assert ear.heard[2] == "x" * 10
        assert child.restarts == 1
        await child.stop(10)

    asyncio.run(run())
