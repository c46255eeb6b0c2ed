"""Commands and metadata in the live feed: to whom may read, resumed without a loss, or told so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from ciaas.limits import RUNGS_PAGE
from ciaas.management.events import tally as tally_module
from ciaas.management.events.feed import Place
from cpaas import limits
from tests.cpaas.conftest import House
from tests.cpaas.sse import Feed, following
from tests.cpaas.test_commands_api import lamp

T0 = 1_700_000_000
RUNGS = ["requested", "authorised", "queued", "sent", "verified"]


def set_level(house: House, where: str, value: int) -> dict[str, Any]:
    answer = house.client().put(f"/data/{where}/level", params={"value": value, "wait": 10})
    assert answer.status_code == 200, answer.text
    command: dict[str, Any] = answer.json()
    return command


def rungs_of(feed: Feed, count: int = len(RUNGS)) -> list[dict[str, Any]]:
    return [feed.event("command").data for _ in range(count)]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_each_rung_comes_with_who_and_when(house: House) -> None:
    where = lamp(house)
    with following(house.client(), event="command") as feed:
        command = set_level(house, where, 40)
        told = rungs_of(feed)
    assert [one["rung"] for one in told] == RUNGS
    assert [{"rung": t["rung"], "at": t["at"], "who": t["who"]} for t in told[:4]] == command[
        "rungs"
    ][:4]
    assert {(t["id"], t["address"], t["value"]) for t in told} == {
        (command["id"], f"{where}/level", 40)
    }
    assert [t["ended"] for t in told] == [False] * 4 + [True]


def test_rungs_are_resumed_without_a_loss_also_from_the_store(house: House) -> None:
    where = lamp(house)
    with following(house.client(), event=["samples", "command"]) as feed:
        set_level(house, where, 1)
        first = rungs_of(feed, 2)
        last = feed.id
    set_level(house, where, 2)
    with following(house.client(), {"Last-Event-ID": last}, event=["samples", "command"]) as feed:
        rest = rungs_of(feed, 8)
    assert [t["rung"] for t in first + rest] == RUNGS * 2
    assert [t["value"] for t in rest] == [1, 1, 1, 2, 2, 2, 2, 2]
    for value in range(RUNGS_PAGE // 5 + 1):  # more than memory holds
        set_level(house, where, value + 10)
    with following(house.client(), {"Last-Event-ID": last}, event="command") as feed:
        assert [t["rung"] for t in rungs_of(feed, 3 + 5 * (RUNGS_PAGE // 5 + 1))][:3] == RUNGS[2:]


def test_commands_of_others_and_those_outside_the_filter_are_not_told(house: House) -> None:
    seen, hidden = lamp(house), lamp(house, name="Lamp 13")
    reader = house.user("reader", {f"{seen}/#": "READ", f"{hidden}/#": "BROWSE"})
    with (
        following(reader, event="command") as own,
        following(house.client(), event="command", address=f"{seen}/#") as narrowed,
    ):
        set_level(house, hidden, 1)
        set_level(house, seen, 2)
        assert [t["value"] for t in rungs_of(own)] == [2] * 5
        assert [t["value"] for t in rungs_of(narrowed)] == [2] * 5


def test_an_id_that_does_not_count_them_is_answered_with_a_gap(house: House) -> None:
    where = lamp(house)
    assert house.observe((f"{house.endpoint()}/Pump/flow/rate", 1.0, T0)).is_success
    kinds = ["samples", "alarm", "command", "metadata"]
    with following(house.client(), event=kinds, after="0:0") as feed:
        gap = feed.event("gap")
        assert gap.data["reason"] == "not-counted"
        assert gap.data["kinds"] == ["alarm", "command", "metadata"]
        assert gap.data["from"] == gap.id
        assert Place.parse(gap.id).rung == 0
        assert feed.values(1) == [("rate", 1.0)]
        set_level(house, where, 1)
        assert len(rungs_of(feed)) == 5
    with following(house.client(), event="command", after="0:0:c999") as feed:
        assert feed.event("gap").data["kinds"] == ["command"]


def test_removed_commands_are_a_gap(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    store = house.registry.commands
    monkeypatch.setattr(store, "_kept_max", 1)
    monkeypatch.setattr(store, "_removed_each", 1)
    where = lamp(house)
    for value in range(3):
        set_level(house, where, value)
    with following(house.client(), event="command", after="0:0:c0") as feed:
        assert feed.event("gap").data["kinds"] == ["command"]
    newest = store.last_rung()
    with following(house.client(), event="command", after=f"0:0:c{newest - 1}") as feed:
        first = feed.next()
        assert first is not None and first.kind == ""
        assert feed.event("command").data["rung"] == "verified"


def test_changes_of_metadata_come_and_are_resumed(house: House) -> None:
    uuid = house.endpoint()
    point = f"{uuid}/Lamp/light/power"
    with following(house.client(), event="metadata") as feed:
        house.client().put(f"/endpoints/{uuid}/friendlyName", params={"friendlyName": "North"})
        renamed = feed.event("metadata")
        assert renamed.data["value"]["friendlyName"] == "North"
        assert (renamed.data["kind"], renamed.data["change"]) == ("endpoint", "changed")
        house.observe((point, 1.0, T0))
        created = feed.event("metadata")
        while created.data["kind"] != "point":  # its endpoint changed with it
            created = feed.event("metadata")
        assert (created.data["change"], created.data["address"]) == ("created", point)
        last = created.id
    house.client().patch(f"/metadata/{point}", json={"unit": "W"})
    with following(house.client(), {"Last-Event-ID": last}, event="metadata") as feed:
        overlaid = feed.event("metadata")
    assert overlaid.data["value"] == {"unit": "W"}
    assert overlaid.data["version"] > created.data["version"]


def test_metadata_is_narrowed_by_the_filter_and_told_of_what_left_it(house: House) -> None:
    mine, other = house.endpoint("Mine"), house.endpoint("Other")
    house.observe((f"{mine}/A/b/c", 1.0, T0), (f"{other}/A/b/c", 1.0, T0))
    house.client().patch(f"/metadata/{mine}", json={"tags": ["north"]})
    with following(house.client(), event="metadata", tag="north") as feed:
        house.client().patch(f"/metadata/{other}", json={"tags": ["south"]})
        house.client().patch(f"/metadata/{mine}", json={"tags": ["south"]})
        left = feed.event("metadata").data
        assert (left["address"], left["value"]) == (mine, {"tags": ["south"]})
        assert house.client().delete(f"/endpoints/{other}").is_success
        gone = feed.event("metadata").data
        while gone["change"] != "deleted":
            gone = feed.event("metadata").data
        assert gone["address"].startswith(other)


def test_nobody_is_told_of_metadata_that_he_may_not_see(house: House) -> None:
    mine, other = house.endpoint("Mine"), house.endpoint("Other")
    reader = house.user("reader", {f"{mine}/#": "READ"})
    with following(reader, event="metadata") as feed:
        for uuid in (other, mine):
            house.client().put(f"/endpoints/{uuid}/friendlyName", params={"friendlyName": "New"})
        assert feed.event("metadata").data["address"] == mine


def test_the_record_has_the_selection_at_once_and_the_points_at_the_end(house: House) -> None:
    uuid = house.endpoint()
    points = [f"{uuid}/Lamp/light/{name}" for name in ("power", "level")]
    house.observe(*((point, 0.0, T0) for point in points))
    number = house.city.catalogue.by_address
    with following(house.client(), address=f"{uuid}/#") as feed:
        begun = house.recorded()[-1]
        assert begun["path"] == "/api/v1/live"
        assert (begun["about"]["follows"], "points" in begun["about"]) == (2, False)
        assert uuid in begun["about"]["select"]
        for n in range(3):
            house.observe((points[0], float(n), T0 + 1 + n))
        feed.values(3)

    def told() -> list[dict[str, Any]]:
        return [e for e in house.recorded() if e.get("about", {}).get("samples") == 3
                and e["path"] == "/api/v1/live"]  # fmt: skip

    until(lambda: bool(told()))
    [entry] = told()
    known = number(points[0])  # type: ignore[arg-type] # an address, as text
    assert known is not None
    assert entry["about"]["points"] == str(known.id)
    assert (entry["who"], entry["about"]["events"]) == ("local-automation", 0)
    listed = house.client().get(f"/accesses/{points[0]}", params={"subject": "local-automation"})
    assert any(e["path"] == "/api/v1/live" and e["did"] == "read" for e in listed.json())


def test_a_long_feed_is_told_of_while_it_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally_module, "FEED_RECORDED_EACH_S", 0.0)
    uuid = house.endpoint()
    point = f"{uuid}/Lamp/light/power"
    house.observe((point, 0.0, T0))
    with following(house.client()) as feed:
        house.observe((point, 1.0, T0 + 1))
        feed.values(1)
        until(lambda: any(e.get("about", {}).get("samples") == 1 for e in house.recorded()
                          if e["path"] == "/api/v1/live"))  # fmt: skip


@pytest.mark.parametrize("text", ["0:1:c", "0:1:m", "0:1:m1.9.1", "0:1:c1:2", "1:1", "0:1:m1.2"])
def test_what_is_no_id_is_refused(shared_house: House, text: str) -> None:
    answer = shared_house.client().get("/live", params={"after": text})
    assert answer.status_code == 400, answer.text


def test_an_id_comes_back_as_it_was_given(shared_house: House) -> None:
    for text in ("0:4711", "0:4711:17", "0:4711:c88", "0:4711:17:c88:m402", "0:0:m402.1.7"):
        assert str(Place.parse(text)) == text
    longest = str(Place(10**18 - 1, 10**18 - 1, 10**18 - 1, f"{10**15 - 1}.3.{10**15 - 1}"))
    assert len(longest) < limits.EVENT_ID_CHARS_MAX
    answer = shared_house.client().get("/live", params={"after": "0" * 129})
    assert answer.status_code == 422


def test_many_changes_come_in_pages(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from cpaas.access.answers import tails

    monkeypatch.setattr(tails, "LIVE_CHANGES_PAGE", 2)
    with following(house.client(), event="metadata", after="0:0:m0") as feed:
        uuids = {house.endpoint(f"Lamp {n}") for n in range(5)}
        told = {feed.event("metadata").data["address"] for _ in range(5)}
    assert told == uuids
