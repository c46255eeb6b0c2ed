"""The live feed: every recorded sample once and in order, to whom may read it, for as long."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from ciaas.limits import FEED_EVENT_ROWS_MAX, HUB_TAKE_COMMITS, SELECTION_RENEW_S
from ciaas.management.events.feed import LiveFeeds
from cpaas.limits import LIVE_EVERY_S_MAX
from security.aaa.tokens import Scope
from tests.cpaas.conftest import USER_SCOPES, House
from tests.cpaas.sse import following

T0 = 1_700_000_000


@pytest.fixture
def lamp(house: House) -> str:
    uuid = house.endpoint()
    assert house.observe((f"{uuid}/Lamp/light/power", 0.0, T0)).status_code == 201
    return uuid


def soon(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_what_is_recorded_comes_with_the_number_of_its_commit(house: House, lamp: str) -> None:
    with following(house.client()) as feed:
        begin = feed.next()
        assert begin is not None and begin.id == f"0:{house.history.last_commit()}"
        answer = house.observe((f"{lamp}/Lamp/light/power", 17.5, T0 + 1))
        event = feed.event("samples")
    assert event.id == f"0:{answer.json()['commit']}"
    [sample] = event.data
    assert sample.pop("received_at").endswith("Z")
    assert sample == {
        "address": f"{lamp}/Lamp/light/power",
        "value": 17.5,
        "observed_at": "2023-11-14T22:13:21.000Z",
        "verdict": "good",
    }


def test_values_come_in_their_type_with_reason_raw_and_revision(house: House, lamp: str) -> None:
    point = f"{lamp}/Lamp/light"
    house.observe((f"{point}/on", True, T0), (f"{point}/name", "a", T0), (f"{point}/n", 1, T0))
    overlay = {"unit": "degC", "source_unit": "K", "range": [0, 10]}
    assert house.client().patch(f"/metadata/{point}/power", json=overlay).is_success
    with following(house.client()) as feed:
        house.observe(
            (f"{point}/on", False, T0 + 1),
            (f"{point}/name", "Straße", T0 + 1),
            (f"{point}/n", 2**60 + 1, T0 + 1),
            (f"{point}/power", 300.0, T0 + 1),
            (f"{point}/n", 3, T0),
        )
        samples = feed.event("samples").data
    of = {(s["address"].rpartition("/")[2], s.get("revision", 0)): s for s in samples}
    assert of["on", 0]["value"] is False
    assert of["name", 0]["value"] == "Straße"
    assert of["n", 0]["value"] == 2**60 + 1
    assert of["n", 1]["value"] == 3
    power = of["power", 0]
    assert power["value"] == pytest.approx(26.85)
    assert (power["verdict"], power["reason"], power["raw"]) == ("bad", "out-of-range", "300.0")


def test_a_feed_resumes_without_a_gap(house: House, lamp: str) -> None:
    point = f"{lamp}/Lamp/light/power"
    with following(house.client()) as feed:
        house.observe((point, 1.0, T0 + 1))
        last = feed.event("samples").id
    for n in range(2, 2 * HUB_TAKE_COMMITS):
        house.observe((point, float(n), T0 + n))
    expected = [("power", float(n)) for n in range(2, 2 * HUB_TAKE_COMMITS)]
    with following(house.client(), {"Last-Event-ID": last}) as feed:
        assert feed.values(len(expected)) == expected
    with following(house.client(), after=last) as feed:
        assert feed.values(len(expected)) == expected


def test_a_feed_resumes_from_history_what_memory_no_longer_has(house: House, lamp: str) -> None:
    hub = house.city.events.feeds.hub
    hub.forget()
    with following(house.client(), after="0:0") as feed:
        assert feed.values(1) == [("power", 0.0)]
        house.observe((f"{lamp}/Lamp/light/power", 2.0, T0 + 2))
        assert feed.values(1) == [("power", 2.0)]


def test_what_is_no_longer_kept_is_said(house: House, lamp: str) -> None:
    point = f"{lamp}/Lamp/light/power"
    object.__setattr__(
        house.city.events, "feeds", LiveFeeds(house.city.events.feeds.hub, 0.0, house.city.clock)
    )
    threading.Event().wait(0.01)
    with following(house.client(), after="0:0") as feed:
        gap = feed.event("gap")
        assert gap.id == f"0:{house.history.last_commit()}"
        assert gap.data["from"] == gap.id
        assert gap.data["reason"] == "not-kept"
        house.observe((point, 1.0, T0 + 1))
        assert feed.values(1) == [("power", 1.0)]


def test_a_number_of_another_history_is_a_gap_too(house: House, lamp: str) -> None:
    with following(house.client(), after="0:999999") as feed:
        assert feed.event("gap").data["from"] == f"0:{house.history.last_commit()}"


def test_the_filter_of_the_search_chooses(house: House, lamp: str) -> None:
    other = house.endpoint("Pump")
    house.client().patch(f"/metadata/{lamp}", json={"tags": ["light"]})
    with (
        following(house.client(), address=f"{lamp}/#") as by_address,
        following(house.client(), tag="light", value=">5") as by_value,
    ):
        house.observe(
            (f"{other}/Pump/flow/rate", 9.0, T0), (f"{lamp}/Lamp/light/power", 1.0, T0 + 1)
        )
        house.observe((f"{lamp}/Lamp/light/power", 6.0, T0 + 2))
        assert by_address.values(2) == [("power", 1.0), ("power", 6.0)]
        assert by_value.values(1) == [("power", 6.0)]


def test_a_new_point_is_followed_too(house: House, lamp: str) -> None:
    with following(house.client(), address=lamp) as feed:
        house.observe((f"{lamp}/Lamp/light/power", 1.0, T0 + 1))
        assert feed.values(1) == [("power", 1.0)]
        house.observe((f"{lamp}/Lamp/light/fresh", 1.0, T0 + 1))
        threading.Event().wait(2 * SELECTION_RENEW_S)
        house.observe((f"{lamp}/Lamp/light/fresh", 2.0, T0 + 2))
        assert ("fresh", 2.0) in feed.values(1)


def test_nobody_is_sent_what_he_may_not_read(house: House, lamp: str) -> None:
    other = house.endpoint("Pump")
    house.observe((f"{other}/Pump/flow/rate", 0.0, T0))
    reader = house.user("reader", {f"{lamp}/#": "READ", f"{other}/#": "BROWSE"})
    with following(reader) as feed:
        house.observe((f"{other}/Pump/flow/rate", 9.0, T0 + 1))
        house.observe((f"{lamp}/Lamp/light/power", 1.0, T0 + 1))
        event = feed.event("samples")
        assert [s["address"] for s in event.data] == [f"{lamp}/Lamp/light/power"]


def test_a_right_taken_away_stops_the_samples_within_a_second(house: House, lamp: str) -> None:
    point = f"{lamp}/Lamp/light/power"
    other = house.endpoint("Pump")
    house.observe((f"{other}/Pump/flow/rate", 0.0, T0))
    reader = house.user("reader", {f"{lamp}/#": "READ", f"{other}/#": "READ"})
    with following(reader) as feed:
        house.observe((point, 1.0, T0 + 1))
        assert feed.values(1) == [("power", 1.0)]
        gone = house.client().delete("/grants", params={"user": "reader", "prefix": f"{lamp}/#"})
        assert gone.status_code == 204
        threading.Event().wait(1.0)
        house.observe((point, 2.0, T0 + 2))
        house.observe((f"{other}/Pump/flow/rate", 3.0, T0 + 3))
        assert feed.values(1) == [("rate", 3.0)]


def test_a_grant_that_ends_by_its_time_and_a_denied_selection_stop_the_samples(
    house: House, lamp: str
) -> None:
    point, other = f"{lamp}/Lamp/light/power", house.endpoint("Pump")
    house.observe((f"{other}/Pump/flow/rate", 0.0, T0))
    reader, admin = house.user("reader", {"project:city": "ACCESS"}), house.client()
    until = datetime.now(UTC) + timedelta(seconds=1)
    for prefix, more in ((f"{lamp}/#", {"until": until.isoformat()}), ("project:city", {})):
        body = {"user": "reader", "prefix": prefix, "level": "READ"} | more
        assert admin.put("/grants", json=body).status_code == 204
    pumps = {"filter": {"text": "pump"}}
    assert admin.put("/selections/city/pumps", json=pumps).status_code == 201
    denial = {"user": "reader", "prefix": f"{lamp}/Lamp/light/#", "level": "DENY"}
    with following(reader) as feed:
        house.observe((point, 1.0, T0 + 1))
        assert feed.values(1) == [("power", 1.0)]
        body = {**denial, "prefix": "selection:city/pumps"}
        assert admin.put("/grants", json=body).status_code == 204
        threading.Event().wait(1.0)
        house.observe((f"{other}/Pump/flow/rate", 2.0, T0 + 2))
        house.observe((point, 3.0, T0 + 3))  # by the project's grant, when the other one has ended
        assert feed.values(1) == [("power", 3.0)]
        ends = (datetime.now(UTC) + timedelta(seconds=0.5)).isoformat()
        assert admin.put("/grants", json={**denial, "until": ends}).status_code == 204
        threading.Event().wait(1.5)
        house.observe((point, 4.0, T0 + 4))
        assert feed.values(1) == [("power", 4.0)]


def test_a_token_that_counts_no_more_ends_the_feed(house: House, lamp: str) -> None:
    user = house.city.accounts.add_user("leaver", None)
    issued = house.city.accounts.issue_token(user.id, "t", USER_SCOPES, None)
    with following(house.client(issued.text)) as feed:
        house.city.accounts.revoke(user.id, issued.token.id)
        assert feed.event("end").data["reason"] == "token"
        assert feed.next() is None
    soon(lambda: house.city.events.feeds.open == 0)


def test_a_token_that_expires_ends_the_feed(house: House, lamp: str) -> None:
    user = house.city.accounts.add_user("visitor", None)
    issued = house.city.accounts.issue_token(user.id, "t", USER_SCOPES, 1)
    with following(house.client(issued.text)) as feed:
        assert "expired" in feed.event("end").data["detail"]


def test_samples_are_gathered_for_as_long_as_the_reader_says(house: House, lamp: str) -> None:
    point = f"{lamp}/Lamp/light/power"
    with following(house.client(), every=1.5) as feed:
        house.observe((point, 0.5, T0 + 1))
        assert feed.values(1) == [("power", 0.5)]
        for n in range(5):
            house.observe((point, float(n), T0 + 2 + n))
        event = feed.event("samples")
        assert [sample["value"] for sample in event.data] == [0.0, 1.0, 2.0, 3.0, 4.0]
        assert event.id == f"0:{house.history.last_commit()}"


def test_a_large_commit_comes_in_parts_and_only_the_last_has_its_number(
    house: House, lamp: str
) -> None:
    point = f"{lamp}/Lamp/light/power"
    rows = 2 * FEED_EVENT_ROWS_MAX + 500
    with following(house.client()) as feed:
        begin = feed.next()
        assert begin is not None
        house.observe(*((point, float(n), T0 + 1 + n) for n in range(rows)))
        parts = [feed.event("samples") for _ in range(3)]
    assert [len(part.data) for part in parts] == [FEED_EVENT_ROWS_MAX, FEED_EVENT_ROWS_MAX, 500]
    assert [part.id for part in parts] == [begin.id, begin.id, f"0:{house.history.last_commit()}"]
    assert [s["value"] for part in parts for s in part.data] == [float(n) for n in range(rows)]


def test_a_feed_without_samples_gives_signs_of_life_that_move_on(house: House, lamp: str) -> None:
    house.city.events.feeds.alive_s = 0.1
    reader = house.user("reader")
    with following(reader) as feed:
        begin = feed.next()
        house.observe((f"{lamp}/Lamp/light/power", 1.0, T0 + 1))
        wanted = f"0:{house.history.last_commit()}"
        while (block := feed.next()) is not None and block.id != wanted:
            assert block.kind == ""
        assert begin is not None and block is not None and block.id != begin.id


def test_no_user_has_more_feeds_than_the_bound_and_none_is_left_behind(
    house: House, lamp: str
) -> None:
    feeds = house.city.events.feeds
    limited = LiveFeeds(feeds.hub, 60, house.city.clock, feeds_max=2, per_user_max=1)
    object.__setattr__(house.city.events, "feeds", limited)
    reader = house.user("reader")
    with following(house.client()), following(reader):
        full = house.client().get("/live")
        assert full.status_code == 503 and "you have 1" in full.json()["detail"]
        assert full.headers["retry-after"]
        third = house.user("third").get("/live")
        assert third.status_code == 503 and "2 live feeds" in third.json()["detail"]
    soon(lambda: limited.open == 0)
    with following(reader):
        assert limited.open == 1


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"after": "7"}, 400), ({"after": "1:7"}, 400), ({"after": "0:x"}, 400),
        ({"after": "0:" + "9" * 40}, 400), ({"every": "-1"}, 422),
        ({"every": LIVE_EVERY_S_MAX + 1}, 422), ({"state": "online"}, 422), ({"value": ">x"}, 422),
        ({"colour": "red"}, 422),
    ],
)  # fmt: skip
def test_bad_questions_are_answered_at_once(
    house: House, query: dict[str, str], status: int
) -> None:
    answer = house.client().get("/live", params=query)
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_each_opening_is_on_the_record_before_the_first_event(house: House, lamp: str) -> None:
    with following(house.client(), address=lamp):
        [entry] = [entry for entry in house.recorded() if entry["path"] == "/api/v1/live"]
    assert entry["status"] == 200
    assert lamp in entry["query"]


def test_without_the_scope_there_is_no_feed(house: House, lamp: str) -> None:
    writer = house.user("writer", {"project:city": "READ"}, frozenset({Scope.WRITE}))
    assert writer.get("/live").status_code == 403


def test_the_end_of_the_platform_ends_feeds(house: House, lamp: str) -> None:
    with following(house.client()) as feed:
        house.city.events.feeds.hub.close()
        assert feed.event("end").data["reason"] == "stopping"


def _stalled(house: House, address: str) -> socket.socket:
    """Open a feed and read nothing of it; the kernel's own buffers are kept small."""
    url = httpx.URL(house.base_url)
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect((url.host, url.port))
    token = house.client().headers["authorization"]
    reader.sendall(
        f"GET /api/v1/live?address={address} HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {token}\r\n\r\n".encode()
    )
    assert reader.recv(12) == b"HTTP/1.1 200"
    return reader


def test_a_reader_that_takes_nothing_is_cut_and_the_others_get_everything(
    house: House, lamp: str
) -> None:
    feeds = house.city.events.feeds
    feeds.stall_s = 0.3
    point = f"{lamp}/Lamp/light/power"
    with _stalled(house, lamp), following(house.client()) as feed:
        sent = 0
        while not feeds.dropped["stalled"]:
            house.observe(*((point, float(sent + n), T0 + 1 + sent + n) for n in range(2_000)))
            sent += 2_000
            assert sent < 200_000, "it was never cut"
        assert feed.values(sent) == [("power", float(n)) for n in range(sent)]
        assert feeds.open == 1


def test_a_reader_that_is_too_slow_is_told_and_can_go_on(
    house: House, lamp: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pauses are longer than what memory holds; nothing is kept for it alone."""
    few = 3
    assert few < HUB_TAKE_COMMITS
    monkeypatch.setattr("ciaas.management.events.follower.HUB_TAKE_COMMITS", few)
    hub = house.city.events.feeds.hub
    point = f"{lamp}/Lamp/light/power"
    with following(house.client(), every=3) as feed:
        house.observe((point, 0.5, T0 + 1))
        last = feed.event("samples").id
        for n in range(few + 2):
            house.observe((point, float(n), T0 + 2 + n))
        hub.forget()
        end = feed.event("end")
        assert end.data["reason"] == "slow"
        assert end.id == last
    expected = [("power", float(n)) for n in range(few + 2)]
    with following(house.client(), {"Last-Event-ID": last}) as feed:
        assert feed.values(len(expected)) == expected
