from __future__ import annotations

from collections.abc import Sequence

import pytest

from ciaas.limits import SIGHTINGS_BYTES_MAX, SIGHTINGS_KEPT_S
from ciaas.ports import Connection
from ciaas.sensorisation.contract import Sighting, SuggestedPoint
from ciaas.sensorisation.sighting import (
    Candidate,
    ReportError,
    SightingBoard,
    read_candidates,
    write_candidates,
)

POINT = SuggestedPoint("device/state/fill", {"path": "fill"}, "number", "%", "Fill level")


def candidate(connection: str, name: str, seen: int = 5) -> Candidate:
    return Candidate(connection, Sighting(name, name, {"topic": name}, (POINT,), seen))


class Board:
    def __init__(self) -> None:
        self.now = 1_000
        self.connections = [Connection("a", 1, "mqtt", {}, 1), Connection("b", 2, "mqtt", {}, 1)]
        self.board = SightingBoard(lambda: self.connections, lambda: self.now)

    def names(self, *projects: int) -> Sequence[str]:
        return [one.sighting.external_id for one in self.board.candidates(projects)]


def test_a_report_is_read_back_as_it_was_written() -> None:
    told = [candidate("a", "zigbee2mqtt/Bin 7"), candidate("b", "x")]
    assert list(read_candidates(write_candidates(told))) == told


@pytest.mark.parametrize("nonsense", [b"", b"{}", b"[1]", b'[["a"]]', b"\xff"])
def test_nonsense_is_no_report(nonsense: bytes) -> None:
    with pytest.raises(ReportError):
        read_candidates(nonsense)


def test_a_report_has_a_bound_and_keeps_the_first() -> None:
    told = [candidate("a", f"{number}-{'x' * 1_000}") for number in range(1_000)]
    report = write_candidates(told)
    assert len(report) <= SIGHTINGS_BYTES_MAX
    read = list(read_candidates(report))
    assert read == told[: len(read)] and 100 < len(read) < 1_000


def test_a_board_shows_each_project_its_own_newest_first() -> None:
    shown = Board()
    shown.board.take("field", [candidate("a", "old", 1), candidate("a", "new", 2)])
    shown.board.take("other field", [candidate("b", "theirs"), candidate("unknown", "nobody's")])
    assert shown.names(1) == ["new", "old"]
    assert shown.names(2) == ["theirs"] and shown.names() == []
    assert shown.names(1, 2) == ["new", "old", "theirs"]


def test_what_is_not_told_again_is_forgotten() -> None:
    shown = Board()
    shown.board.take("field", [candidate("a", "gone soon")])
    shown.board.take("field", [candidate("a", "here")])
    assert shown.names(1) == ["here"]
    shown.now += round(SIGHTINGS_KEPT_S * 1_000) + 1
    assert shown.names(1) == []
