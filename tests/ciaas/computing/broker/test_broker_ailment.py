"""A broker that stopped storing on a full disk is noticed, and only that one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from ciaas.computing.broker.process import Broker
from ciaas.limits import BROKER_RESTART_FREE_BYTES
from tests.ciaas.computing.city import City

_WRITE = "write /home/msgs/1.blk"
_FULL = f"[ERR] JetStream failed to store a msg on stream 'CITY > LIVE': {_WRITE}: "


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def broker(city: City) -> Iterator[Broker]:
    """The running broker, its log as it was before the test."""
    yield city.broker
    city.stop()
    assert not city.broker.ready(), "who asks a dead one lets go of its log"
    city.start()


def logs(city: City, text: str) -> None:
    """Let a line appear in the log as the server writes it."""
    assert city.process is not None
    with city.configuration.log_file.open("a") as log:
        log.write(f"[{city.process.pid}] 2026/11/22 03:47:45.805798 {text}\n")


@pytest.mark.parametrize("cause", ["no space left on device", "disk quota exceeded"])
def test_one_that_a_full_disk_stopped_has_to_start_again(
    city: City, broker: Broker, cause: str
) -> None:
    assert broker.ailment() == ""
    logs(city, _FULL + cause)
    assert broker.ailment() == "it stopped storing when the disk was full, and there is room again"
    city.kill()
    city.start()
    assert broker.ailment() == "", "the next one has not"


def test_it_is_left_until_there_is_room_again(
    city: City, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = BROKER_RESTART_FREE_BYTES - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, free))
    logs(city, _FULL + "no space left on device")
    assert broker.ailment() == ""
    free += 1
    assert broker.ailment()


@pytest.mark.parametrize(
    "line",
    [
        _FULL + "input/output error",
        f'[ERR] 127.0.0.1:9 - mid:1 - "{_FULL}no space left on device" - authentication error',
        f'[ERR] 127.0.0.1:9 - mid:1 - "x" - Publish Violation - Subject "{_FULL}no space left on'
        ' device"',
    ],
)
def test_other_lines_say_nothing_of_it(city: City, broker: Broker, line: str) -> None:
    logs(city, line)
    assert broker.ailment() == ""
