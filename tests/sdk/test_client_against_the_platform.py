"""What an app does with the client, against the real application."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from borough_client import Client, NotAllowed, NotFound, NotSignedIn, Refused, Unreachable
from tests.cpaas.conftest import NO_TLS, House

START = 1_743_289_200
"""2025-03-30T00:00 in Zurich."""


@pytest.fixture(scope="module")
def power(shared_house: House) -> str:
    address = f"{shared_house.endpoint('Lamp')}/Lamp/meter/power"
    samples = [(address, float(hour), float(START + hour * 3600)) for hour in range(48)]
    assert shared_house.observe(*samples).status_code == 201
    scope = {"unit": "W", "tags": ["sdk"]}
    assert shared_house.client().patch(f"/metadata/{address}", json=scope).status_code == 200
    return address


def test_last_values_and_history(city: Client, power: str) -> None:
    assert city.value(power) == 47.0
    assert city.last(power)["verdict"] == "good"
    table = city.history(power, datetime(2025, 3, 29, 23, tzinfo=UTC), rows=2)
    assert (len(table), table.truncated) == (2, True)
    frame = city.history(power).to_pandas()
    assert list(frame["value"]) == [float(hour) for hour in range(48)]
    assert frame.index[0] == pd.Timestamp("2025-03-29T23:00Z")
    assert len(city.history(power, last=timedelta(days=1))) == 0
    local = city.history(power, datetime(2025, 3, 30, 0, tzinfo=UTC), rows=3, zone="Europe/Zurich")
    assert local.columns["time"] == [
        "2025-03-30T01:00:00.000+01:00",
        "2025-03-30T03:00:00.000+02:00",
        "2025-03-30T04:00:00.000+02:00",
    ]
    assert str(getattr(local.to_pandas().index, "tz", None)) == "Europe/Zurich"
    with pytest.raises(ValueError, match="IANA"):
        city.history(power, zone="Mars/Olympus")


def test_a_query_becomes_a_frame_in_its_zone(city: Client, power: str) -> None:
    table = city.query(
        {
            "select": {"addresses": [power]},
            "interval": {"from": "2025-03-30", "to": "2025-04-01", "zone": "Europe/Zurich"},
            "window": "day",
            "measures": ["count", "mean"],
        }
    )
    assert [row["count"] for row in table.rows()] == [23, 24]
    frame = table.to_pandas()
    assert isinstance(frame.index, pd.DatetimeIndex)
    assert str(frame.index.tz) == "Europe/Zurich"
    assert frame.index[1] == pd.Timestamp("2025-03-31", tz="Europe/Zurich")
    assert frame["mean"].iloc[0] == 11.0


def test_search_goes_through_all_pages(
    city: Client, power: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("borough_client.client.PAGE_ROWS", 1)
    endpoint = power.partition("/")[0]
    new = [(f"{endpoint}/Lamp/meter/extra{n}", 1.0, None) for n in range(3)]
    assert city.observe(new).stored == 3
    found = [hit["address"] for hit in city.search(address=endpoint)]
    assert sorted(found) == sorted([power, *(address for address, _, _ in new)])
    assert [hit["address"] for hit in city.search(tag="sdk", unit="W")] == [power]


def test_observations_are_stored_once(city: Client, shared_house: House) -> None:
    address = f"{shared_house.endpoint('Counter')}/Counter/count/total"
    with city.observations(batch=2) as sending:
        for second in range(5):
            sending.add(address, second, datetime.fromtimestamp(START + second, UTC))
    assert [part.stored for part in sending.sent] == [2, 2, 1]
    stored = city.observe([(address, 4, float(START + 4)), (address, 5, float(START + 5))])
    assert (stored.stored, stored.repeats) == (1, 1)
    refused = city.observe([(address, 6, float(START + 6)), ("no address", 1, None)])
    assert refused.refused[0]["index"] == 1
    with pytest.raises(ValueError, match="no zone"):
        city.observe([(address, 7, datetime(2025, 3, 30))])


def test_the_live_feed_brings_what_is_stored_and_is_resumed(
    city: Client, power: str, shared_house: House
) -> None:
    address = f"{shared_house.endpoint('Live')}/Live/x/y"
    city.observe([(address, 1.0, float(START))])
    feed = city.live(after="0:0", address=address)
    first = next(event for event in feed if event.kind == "samples")
    assert [sample["value"] for sample in first.data] == [1.0]
    feed.close()  # type: ignore[attr-defined] # the iterator is a generator
    city.observe([(address, 2.0, float(START + 1))])
    resumed = city.live(after=first.id, address=address)
    event = next(event for event in resumed if event.kind == "samples")
    assert [sample["value"] for sample in event.data] == [2.0]
    resumed.close()  # type: ignore[attr-defined] # as above


def test_refusals_say_what_to_do(city: Client, url: str, shared_house: House, power: str) -> None:
    with pytest.raises(NotFound):
        city.value("00000000-0000-4000-8000-00000000dead/a/b/c")
    with pytest.raises(Refused, match="measures") as refused:
        city.query({"select": {"addresses": [power]}, "interval": {"last": "1d"}, "measures": [1]})
    assert refused.value.status == 422
    with Client(url, "bor_none", ca=NO_TLS) as stranger, pytest.raises(NotSignedIn):
        stranger.value(power)
    reader = shared_house.user("sdk.reader", {"project:city": "BROWSE"})
    token = reader.headers["Authorization"].removeprefix("Bearer ")
    with Client(url, token, ca=NO_TLS) as browser, pytest.raises(NotAllowed, match="READ"):
        browser.value(power)


def test_nobody_there(power: str) -> None:
    waits: list[float] = []
    with (
        Client("http://127.0.0.1:9", "bor_x", ca=NO_TLS, sleep=waits.append) as client,
        pytest.raises(Unreachable, match="ConnectError"),
    ):
        client.value(power)
    assert len(waits) == 4
    assert waits[0] < waits[-1]


def test_a_command_is_waited_for(city: Client, shared_house: House, power: str) -> None:
    with pytest.raises(Refused) as refused:
        city.command(power, 1.0, key=str(uuid.uuid4()), wait_s=1.0)
    assert refused.value.status in (409, 422)
