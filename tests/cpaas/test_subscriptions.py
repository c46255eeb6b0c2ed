"""Webhooks: signed batches in order, again until taken, and nobody waits for anybody's receiver."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import httpx
import pytest

from ciaas.limits import (
    DELIVERY_BODY_BYTES_MAX,
    DELIVERY_REFUSALS_MAX,
    EVENT_SAMPLES_MAX,
    SUBSCRIPTION_TITLE_CHARS_MAX,
    THROTTLE_S_MAX,
)
from cpaas.limits import NUMBER_MAX
from tests.cpaas.conftest import House

T = TypeVar("T")
T0 = 1_700_000_000


def soon(found: Callable[[], T]) -> T:
    deadline = time.monotonic() + 20
    while not (value := found()):
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
    return value


@dataclass
class Receiver:
    """An HTTP server that keeps what it gets and answers as the test says."""

    url: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hanging: threading.Event | None = None
    """While unset, no request is answered."""
    requests: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)

    def events(self) -> list[dict[str, Any]]:
        """Return what was taken, each event once, in the order of the first time."""
        found: dict[str, dict[str, Any]] = {}
        for _, body in list(self.requests):
            for event in json.loads(body):
                found.setdefault(event["id"], event)
        return list(found.values())

    def values(self) -> list[Any]:
        return [sample["value"] for event in self.events() for sample in event["data"]]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if receiver.hanging is not None:
                receiver.hanging.wait(20)
            status = receiver.status
            if status == 200:
                receiver.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(status)
            for name, text in receiver.headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"said")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield receiver
    finally:
        if receiver.hanging is not None:
            receiver.hanging.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def lamp(house: House) -> str:
    uuid = house.endpoint()
    assert house.observe((f"{uuid}/Lamp/light/power", 0.0, T0)).status_code == 201
    return uuid


def subscribe(client: httpx.Client, url: str, **more: Any) -> dict[str, Any]:
    answer = client.post("/subscriptions", json={"url": url, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def look(client: httpx.Client, made: Mapping[str, Any]) -> dict[str, Any]:
    answer = client.get(f"/subscriptions/{made['id']}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_samples_come_as_a_signed_batch_of_cloud_events(
    house: House, lamp: str, receiver: Receiver
) -> None:
    made = subscribe(house.client(), receiver.url, title="display", filter={"address": lamp})
    commit = house.observe((f"{lamp}/Lamp/light/power", 17.5, T0 + 1)).json()["commit"]
    soon(receiver.events)
    [event] = receiver.events()
    [sample] = event.pop("data")
    assert (sample["address"], sample["value"]) == (f"{lamp}/Lamp/light/power", 17.5)
    assert event.pop("time").endswith("Z")
    assert event == {
        "specversion": "1.0",
        "id": f"0:{commit}",
        "source": f"/api/v1/subscriptions/{made['id']}",
        "type": "org.borough.samples",
        "datacontenttype": "application/json",
    }
    [(headers, body)] = receiver.requests
    assert headers["content-type"].startswith("application/cloudevents-batch+json")
    key = base64.b64decode(made["secret"].removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    done = soon(lambda: (now := look(house.client(), made))["delivered"] and now)
    assert (done["delivered"], done["state"], done["position"]) == (1, "delivering", f"0:{commit}")
    assert "secret" not in done


def test_the_record_tells_what_a_receiver_was_sent(
    house: House, lamp: str, receiver: Receiver
) -> None:
    made = subscribe(house.client(), receiver.url, filter={"address": lamp})
    house.observe((f"{lamp}/Lamp/light/power", 17.5, T0 + 1))
    soon(receiver.events)
    assert house.client().delete(f"/subscriptions/{made['id']}").is_success
    [told] = [entry for entry in house.recorded() if entry["verb"] == "DELIVER"]
    assert told["path"] == f"/api/v1/subscriptions/{made['id']}"
    assert (told["who"], told["act"]) == ("local-automation", "read")
    assert (told["about"]["samples"], told["about"]["count"]) == (1, 1)


def test_the_secret_lies_sealed_on_the_disk(house: House, receiver: Receiver) -> None:
    made = subscribe(house.client(), receiver.url)
    stored = house.registry.subscriptions.subscription(made["id"]).secret
    key = base64.b64decode(made["secret"].removeprefix("whsec_"))
    assert all(key not in base64.urlsafe_b64decode(part) for part in stored.split(".")[2:])
    assert made["secret"] not in repr(house.registry.subscriptions.subscription(made["id"]))
    assert all(made["secret"] not in json.dumps(entry) for entry in house.recorded())


def test_large_commits_come_in_order_and_in_parts(
    house: House, lamp: str, receiver: Receiver
) -> None:
    subscribe(house.client(), receiver.url)
    rows = 9_500
    point = f"{lamp}/Lamp/light/power"
    house.observe(*((point, float(n), T0 + 1 + n) for n in range(rows)))
    soon(lambda: len(receiver.values()) == rows)
    assert receiver.values() == [float(n) for n in range(rows)]
    assert len(receiver.requests) > 1
    for _, body in receiver.requests:
        assert len(body) < 1.2 * DELIVERY_BODY_BYTES_MAX
    assert {len(event["data"]) for event in receiver.events()} == {EVENT_SAMPLES_MAX, 500}


def test_a_receiver_that_fails_gets_everything_later_in_order(
    house: House, lamp: str, receiver: Receiver
) -> None:
    point = f"{lamp}/Lamp/light/power"
    receiver.status = 503
    made = subscribe(house.client(), receiver.url)
    for n in range(20):
        house.observe((point, float(n), T0 + 1 + n))
    failing = soon(lambda: (now := look(house.client(), made))["failures"] and now)
    assert failing["state"] == "retrying"
    assert failing["why"] == "answered 503: said"
    receiver.status = 200
    soon(lambda: len(receiver.values()) == 20)
    assert receiver.values() == [float(n) for n in range(20)]
    healed = soon(lambda: (now := look(house.client(), made))["delivered"] == 20 and now)
    assert (healed["failures"], healed["why"], healed["state"]) == (0, None, "delivering")


def test_a_receiver_that_is_away_counts_as_down_until_its_owner_asks_again(
    house: House, lamp: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ciaas.management.subscriptions.delivery.DELIVERY_WAIT_S_MIN", 0.01)
    with receiving() as gone:
        url = gone.url
    made = subscribe(house.client(), url)
    house.observe((f"{lamp}/Lamp/light/power", 1.0, T0 + 1))
    down = soon(lambda: (now := look(house.client(), made))["state"] == "down" and now)
    assert "ConnectError" in down["why"]
    with receiving() as back:
        changed = house.client().patch(
            f"/subscriptions/{made['id']}", json={"url": back.url, "enabled": True}
        )
        assert changed.json()["state"] == "delivering"
        soon(lambda: back.values() == [1.0])


def test_what_is_refused_is_set_aside_and_can_be_delivered_later(
    house: House, lamp: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ciaas.management.subscriptions.delivery.DELIVERY_WAIT_S_MIN", 0.01)
    client = house.client()
    point = f"{lamp}/Lamp/light/power"
    receiver.status = 422
    made = subscribe(client, receiver.url)
    first = house.observe((point, 1.0, T0 + 1)).json()["commit"]
    path = f"/subscriptions/{made['id']}/dead-letters"
    [letter] = soon(lambda: client.get(path).json())
    assert (letter["after"], letter["last"]) == (first - 1, first)
    assert letter["why"] == "answered 422: said"
    assert look(client, made)["failures"] == DELIVERY_REFUSALS_MAX
    receiver.status = 200
    house.observe((point, 2.0, T0 + 2))
    soon(lambda: receiver.values() == [2.0])
    again = client.post(f"{path}/{letter['number']}/replay")
    assert (again.status_code, again.json()) == (202, {"number": letter["number"], "replay": True})
    soon(lambda: receiver.values() == [2.0, 1.0])
    soon(lambda: client.get(path).json() == [])
    assert client.post(f"{path}/{letter['number']}/replay").status_code == 404


def test_dead_letters_one_after_another_are_one_and_can_be_dropped(
    house: House, lamp: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ciaas.management.subscriptions.delivery.DELIVERY_WAIT_S_MIN", 0.01)
    monkeypatch.setattr("ciaas.management.subscriptions.delivery.BREAKER_WAIT_S_MIN", 0.01)
    client = house.client()
    receiver.status = 400
    made = subscribe(client, receiver.url)
    path = f"/subscriptions/{made['id']}/dead-letters"
    commits = []
    for n in range(3):
        answer = house.observe((f"{lamp}/Lamp/light/power", float(n), T0 + 1 + n))
        commits.append(answer.json()["commit"])
        soon(lambda: any(one["last"] == commits[-1] for one in client.get(path).json()))
    [letter] = client.get(path).json()
    assert (letter["after"], letter["last"]) == (commits[0] - 1, commits[-1])
    assert client.delete(f"{path}/{letter['number']}").status_code == 204
    assert client.get(path).json() == []
    assert client.delete(f"{path}/{letter['number']}").status_code == 404
    assert client.delete(f"{path}/{NUMBER_MAX}").status_code == 404
    assert client.delete(f"{path}/{NUMBER_MAX + 1}").status_code == 422


def test_a_receiver_that_says_gone_is_switched_off(
    house: House, lamp: str, receiver: Receiver
) -> None:
    receiver.status = 410
    made = subscribe(house.client(), receiver.url)
    house.observe((f"{lamp}/Lamp/light/power", 1.0, T0 + 1))
    soon(lambda: not look(house.client(), made)["enabled"])
    off = look(house.client(), made)
    assert (off["state"], off["why"]) == ("off", "the receiver answered 410 Gone")
    receiver.status = 200
    house.client().patch(f"/subscriptions/{made['id']}", json={"enabled": True})
    soon(lambda: receiver.values() == [1.0])


def test_a_receiver_that_hangs_keeps_nobody_waiting(
    house: House, lamp: str, receiver: Receiver
) -> None:
    with receiving() as stuck:
        stuck.hanging = threading.Event()
        for _ in range(5):
            subscribe(house.client(), stuck.url)
        subscribe(house.client(), receiver.url)
        for n in range(100):
            house.observe((f"{lamp}/Lamp/light/power", float(n), T0 + 1 + n))
        soon(lambda: len(receiver.values()) == 100)
        assert receiver.values() == [float(n) for n in range(100)]
        assert not stuck.requests


def test_the_throttle_lets_one_sample_of_a_point_and_interval_pass(
    house: House, lamp: str, receiver: Receiver
) -> None:
    subscribe(house.client(), receiver.url, throttle=10)
    power, other = f"{lamp}/Lamp/light/power", f"{lamp}/Lamp/light/other"
    base = T0 - T0 % 10 + 10
    house.observe(*((power, float(n), base + n) for n in range(25)), (other, -1.0, base + 3))
    house.observe((power, 25.0, base + 25), (power, 30.0, base + 30))
    soon(lambda: 30.0 in receiver.values())
    assert sorted(receiver.values()) == [-1.0, 0.0, 10.0, 20.0, 30.0]


def test_a_webhook_delivers_what_its_owner_may_read_now(
    house: House, lamp: str, receiver: Receiver
) -> None:
    other = house.endpoint("Pump")
    house.observe((f"{other}/Pump/flow/rate", 0.0, T0))
    reader = house.user("reader", {f"{lamp}/#": "READ"})
    subscribe(reader, receiver.url)
    house.observe(
        (f"{other}/Pump/flow/rate", 9.0, T0 + 1), (f"{lamp}/Lamp/light/power", 1.0, T0 + 1)
    )
    soon(lambda: receiver.values() == [1.0])
    house.client().delete("/grants", params={"user": "reader", "prefix": f"{lamp}/#"})
    house.grant("reader", f"{other}/#", "READ")
    threading.Event().wait(1.0)
    house.observe(
        (f"{other}/Pump/flow/rate", 8.0, T0 + 2), (f"{lamp}/Lamp/light/power", 2.0, T0 + 2)
    )
    soon(lambda: receiver.values() == [1.0, 8.0])


def test_nothing_is_delivered_for_an_owner_who_is_shut_out(
    house: House, lamp: str, receiver: Receiver
) -> None:
    reader = house.user("reader", {f"{lamp}/#": "READ"})
    subscribe(reader, receiver.url)
    assert house.client().patch("/users/reader", json={"disabled": True}).is_success
    threading.Event().wait(1.2)
    house.observe((f"{lamp}/Lamp/light/power", 1.0, T0 + 1))
    threading.Event().wait(0.5)
    assert not receiver.requests
    assert house.client().patch("/users/reader", json={"disabled": False}).is_success
    soon(lambda: receiver.values() == [1.0])


def test_a_webhook_begins_where_it_is_told_and_goes_on_after_changes(
    house: House, lamp: str, receiver: Receiver
) -> None:
    client = house.client()
    point = f"{lamp}/Lamp/light/power"
    house.observe((point, 1.0, T0 + 1))
    made = subscribe(client, receiver.url, after="0:0", filter={"address": point, "value": ">0"})
    soon(lambda: receiver.values() == [1.0])
    soon(lambda: look(client, made)["delivered"])
    path = f"/subscriptions/{made['id']}"
    assert client.patch(path, json={"enabled": False}).json()["state"] == "off"
    house.observe((point, 2.0, T0 + 2))
    changed = client.patch(path, json={"enabled": True, "new_secret": True, "title": "t"}).json()
    assert changed["title"] == "t" and changed["secret"] != made["secret"]
    soon(lambda: receiver.values() == [1.0, 2.0])
    headers, body = receiver.requests[-1]
    key = base64.b64decode(changed["secret"].removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    assert (
        headers["webhook-signature"]
        == "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    )
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    house.observe((point, 3.0, T0 + 3))
    threading.Event().wait(0.2)
    assert receiver.values() == [1.0, 2.0]


def test_alarms_are_delivered_by_the_same_deliverer(
    house: House, lamp: str, receiver: Receiver
) -> None:
    point = f"{lamp}/Lamp/light/power"
    alarm = {"severity": "minor", "text": "bright", "raised_when": "value > 40"}
    house.client().patch(f"/metadata/{point}", json={"alarm": alarm})
    made = subscribe(house.client(), receiver.url, kind="alarm")
    house.observe((point, 50.0, T0 + 1))
    soon(receiver.events)
    [event] = receiver.events()
    assert event["type"] == "org.borough.alarm.raised"
    assert event["subject"] == point
    assert event["data"]["alarm"]["text"] == "bright"
    house.client().post(f"/alarms/{event['data']['alarm']['id']}/acknowledge")
    soon(lambda: len(receiver.events()) == 2)
    assert receiver.events()[1]["data"]["who"] == "local-automation"
    done = soon(lambda: (now := look(house.client(), made))["delivered"] == 2 and now)
    assert done["position"].startswith("alarm:")


def test_subscriptions_are_their_owners_alone(house: House, receiver: Receiver) -> None:
    owner, other = house.user("owner"), house.user("other")
    made = subscribe(owner, receiver.url)
    assert other.get("/subscriptions").json() == []
    assert [one["id"] for one in owner.get("/subscriptions").json()] == [made["id"]]
    assert [one["id"] for one in house.client().get("/subscriptions").json()] == [made["id"]]
    path = f"/subscriptions/{made['id']}"
    nowhere = other.get("/subscriptions/00000000-0000-4000-8000-00000000dead")
    for answer in (
        other.get(path), other.patch(path, json={"enabled": False}), other.delete(path),
        other.get(f"{path}/dead-letters"), other.post(f"{path}/dead-letters/1/replay"),
        other.delete(f"{path}/dead-letters/1"),
    ):  # fmt: skip
        assert (answer.status_code, answer.content) == (404, nowhere.content)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"url": "http://169.254.169.254/latest"}, 422, "not public"),
        ({"url": "file:///etc/passwd"}, 422, "http"),
        ({"url": "http://10.0.0.1/"}, 422, "outgoing_allow"),
        ({"url": ""}, 422, "url"),
        ({"url": "http://127.0.0.1/", "filter": {"state": "online"}}, 422, "state"),
        ({"url": "http://127.0.0.1/", "filter": {"colour": 1}}, 422, "colour"),
        ({"url": "http://127.0.0.1/", "throttle": THROTTLE_S_MAX + 1}, 422, "throttle"),
        ({"url": "x", "title": "x" * (SUBSCRIPTION_TITLE_CHARS_MAX + 1)}, 422, "title"),
        ({"url": "http://127.0.0.1/", "after": "x"}, 400, "event id"),
        ({"url": "http://127.0.0.1/", "kind": "all"}, 422, "kind"),
    ],
)  # fmt: skip
def test_bad_subscriptions_are_refused(
    shared_house: House, body: dict[str, Any], status: int, said: str
) -> None:
    answer = shared_house.client().post("/subscriptions", json=body)
    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert shared_house.client().get("/subscriptions").json() == []
