"""What another tenant's devices say and hear is out of reach by any topic and any wildcard."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from ciaas.computing.admission.warmup import platform_tls
from ciaas.kernel.wire.topic import Verb
from tests.cpaas.sse import Feed
from tests.promises.device import Device, Enrolled, enrol
from tests.promises.platform import Platform, pause, running, until

pytestmark = pytest.mark.slow  # two devices and every topic on a real broker
_REFUSED = 0x80
"""Of SUBACK: failure."""


class Tenants(NamedTuple):
    """A platform with a device of each of two tenants, the first one connected."""

    platform: Platform
    victim: Device
    mallory: Enrolled


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    settings = {"MODE": "public"}
    with running(tmp_path_factory.mktemp("topics") / "home", settings=settings) as platform:
        victim = Device(platform, enrol(platform, "Victim"))
        admin = platform.client()
        assert admin.post("/projects", json={"name": "other"}).status_code == 201
        made = admin.post("/endpoints", params={"friendlyName": "Mallory", "project": "other"})
        mallory = enrol(platform, "", again=made.json()["uuid"])
        victim.join()
        yield Tenants(platform, victim, mallory)
        victim.leave()


class Listener:
    """A raw client with mallory's certificate."""

    def __init__(self, tenants: Tenants) -> None:
        self.heard: list[str] = []
        self.granted: queue.Queue[list[Any]] = queue.Queue()
        self._connected, self.gone = threading.Event(), threading.Event()
        own, (host, _, port) = tenants.mallory, tenants.platform.mqtts.rpartition(":")
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, own.uuid, protocol=mqtt.MQTTv311)
        self.client.tls_set_context(platform_tls(own.authority, own.certificate, own.key))
        self.client.on_connect = lambda *_: self._connected.set()
        self.client.on_disconnect = lambda *_: self.gone.set()
        self.client.on_message = lambda _c, _d, message: self.heard.append(message.topic)
        self.client.on_subscribe = lambda _c, _d, _mid, codes, _p: self.granted.put(codes)
        self.client.connect(host, int(port))
        self.client.loop_start()
        assert self._connected.wait(30)

    def subscribe(self, topic: str) -> bool:
        """Tell whether the broker grants a subscription."""
        self.client.subscribe(topic, 1)
        [code] = self.granted.get(timeout=30)
        return int(code.value) < _REFUSED

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def topics(uuid: str) -> list[str]:
    """Everything by which somebody might hope to hear of an endpoint."""
    found = [
        "#",
        "+/#",
        "+/+",
        "+/+/#",
        f"+/{uuid}",
        f"+/{uuid}/#",
        "$SYS/#",
        "LIVE/#",
        "INTERNAL/#",
    ]
    for verb in Verb:
        found += [f"{verb}/{uuid}", f"{verb}/{uuid}/#", f"{verb}/+", f"{verb}/+/#", f"{verb}/#"]
    return found


def test_no_topic_and_no_wildcard_reaches_another_tenant(tenants: Tenants) -> None:
    listener = Listener(tenants)
    try:
        granted = [topic for topic in topics(tenants.victim.uuid) if listener.subscribe(topic)]
        assert granted == []
        assert listener.subscribe(f"@set/{tenants.mallory.uuid}/#")
        for _ in range(5):
            tenants.victim.step()
        until(tenants.victim.settle, "the victim's values acknowledged")
        pause(0.5)  # what must not come has time to come
        assert listener.heard == []
    finally:
        listener.close()


def test_what_is_published_under_anothers_name_is_recorded_as_refused_and_not_kept(
    tenants: Tenants,
) -> None:
    admin, uuid = tenants.platform.client(), tenants.victim.uuid
    forged = {
        "type": "Number",
        "constraint": "Measure",
        "timestamp": time.time(),
        "value": 424242.0,
    }
    listener = Listener(tenants)
    try:
        for topic in (
            f"@update/{uuid}/node/object/point0", f"@set/{uuid}/node/object/point0",
            f"@offline/{uuid}", f"@nodeRemoved/{uuid}/node", f"@delayed/{uuid}",
        ):  # fmt: skip
            info = listener.client.publish(topic, json.dumps(forged), 1)
            info.wait_for_publish(30)  # acknowledged all the same: a stranger learns nothing
            assert info.is_published()
        refused = until(
            lambda: [
                entry
                for entry in admin.get("/record", params={"kind": "refusal"}).json()
                if entry.get("who") == tenants.mallory.uuid
            ],
            "the refusals in the record",
        )
        assert uuid in json.dumps(refused)
        tenants.victim.step()
        until(tenants.victim.settle, "the victim's next value")
        point = f"{uuid}/node/object/point0"
        rows = until(lambda: admin.get(f"/history/{point}").json(), "the victim's history")
        assert 424242.0 not in [row["value"] for row in rows]
        assert admin.get(f"/endpoints/{uuid}/online").json() is True
    finally:
        listener.close()


def test_a_live_feed_and_every_export_have_nothing_of_another_tenant(tenants: Tenants) -> None:
    admin = tenants.platform.client()
    sign_up = {"name": "outsider", "password": "correct horse battery"}
    assert admin.post("/users", json=sign_up).status_code == 201
    grant = {"user": "outsider", "prefix": "project:other", "level": "OWN"}
    assert admin.put("/grants", json=grant).status_code == 204
    outsider = tenants.platform.client()
    token = outsider.post("/login", json=sign_up).json()["token"]
    outsider.headers["Authorization"] = f"Bearer {token}"
    made = outsider.post("/endpoints", params={"friendlyName": "Own"}).json()["uuid"]
    with outsider.stream("GET", "/live", timeout=30.0) as answer:
        feed = Feed(answer)
        feed.next()
        tenants.victim.step()
        until(tenants.victim.settle, "the victim's value")
        own = {"observations": [{"address": f"{made}/n/o/a", "value": 1.0}]}
        assert outsider.post("/observations", json=own).status_code == 201
        pause(1.0)  # the new point is followed half a second after it is known
        assert outsider.post("/observations", json=own).status_code == 201
        assert {s["address"] for s in feed.event("samples").data} == {f"{made}/n/o/a"}
    uuid = tenants.victim.uuid
    for form in ("application/json", "text/csv", "application/vnd.apache.arrow.stream"):
        exported = asked(outsider, form)
        assert uuid.encode() not in exported and made.encode() in exported
        assert uuid.encode() in asked(admin, form)


def test_a_right_taken_from_a_device_ends_its_session_within_a_second(tenants: Tenants) -> None:
    admin, path = tenants.platform.client(), f"/endpoints/{tenants.mallory.uuid}/banned"
    listener = Listener(tenants)
    try:
        assert listener.subscribe(f"@set/{tenants.mallory.uuid}/#")
        assert admin.put(path, params={"blocked": "true"}).status_code == 204
        assert listener.gone.wait(1.0)
    finally:
        listener.close()
        assert admin.put(path, params={"blocked": "false"}).status_code == 204


def asked(client: httpx.Client, form: str) -> bytes:
    """Return everything that a query for all points brings in a form."""
    query = {"select": {"filter": {}}, "interval": {"last": "1d"}}
    answer = client.post("/query", json=query, headers={"Accept": form})
    assert answer.status_code == 200, answer.text
    return answer.content
