"""What devices log and their jobs write, as the API gives it."""

from __future__ import annotations

import pytest

from ciaas.kernel.sample import Frame
from ciaas.ports import JournalLine
from cpaas.limits import LIST_MAX
from tests.cpaas.conftest import House

NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z
LEVELS = ("FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", "OUTPUT")


def fill(house: House) -> str:
    uuid = house.endpoint()
    lines = [
        JournalLine(uuid, NOON_MS, level, NOON_MS + 1_000 * second, level.lower(), "net", "")
        for second, level in enumerate(LEVELS)
    ]
    house.history.record(Frame.empty(), journal=lines)
    return uuid


@pytest.mark.parametrize(
    ("threshold", "expected"), [("OFF", 0), ("FATAL", 1), ("WARN", 3), ("TRACE", 6), ("ALL", 7)]
)
def test_a_threshold_gives_its_level_and_louder_ones(
    house: House, threshold: str, expected: int
) -> None:
    uuid = fill(house)
    lines = house.client().get(f"/endpoints/{uuid}/log", params={"threshold": threshold}).json()
    assert [line["level"] for line in lines] == list(LEVELS[:expected][::-1])


def test_a_line_is_told_with_its_time_and_origin(house: House) -> None:
    uuid = fill(house)
    ask = {"from": "2026-01-01T12:00:02", "to": "2026-01-01T12:00:02"}
    assert house.client().get(f"/endpoints/{uuid}/log", params=ask).json() == [
        {
            "time": "2026-01-01T12:00:02.000Z",
            "level": "WARN",
            "message": "warn",
            "loggerName": "net",
            "logSource": "",
        }
    ]


def test_a_page_is_bounded_and_a_wrong_question_refused(house: House) -> None:
    uuid = fill(house)
    client = house.client()
    assert len(client.get(f"/endpoints/{uuid}/log", params={"max": 2}).json()) == 2
    for wrong in ({"max": LIST_MAX + 1}, {"threshold": "LOUD"}, {"from": "noon"}):
        assert client.get(f"/endpoints/{uuid}/log", params=wrong).status_code in (400, 422)
