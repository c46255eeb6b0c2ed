"""The record of accesses: every one, before its answer, without secrets; and when it fails."""

from __future__ import annotations

import errno
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest

from cpaas.limits import RECORD_OWED_MAX, RECORDED_TEXT_CHARS_MAX
from security.ports import Record
from tests.cpaas.conftest import NO_TLS, SECRET, House, served

PASSWORD = "correct horse battery"


@dataclass
class Brittle:
    """A record whose disk is full while the test says so."""

    record: Record
    full: bool = False
    held: threading.Event = field(default_factory=threading.Event)
    groups: list[int] = field(default_factory=list)

    def append(self, entry: Mapping[str, Any]) -> None:
        self.append_all((entry,))

    def append_all(self, entries: Sequence[Mapping[str, Any]]) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.held.wait(10)
        self.groups.append(len(entries))
        self.record.append_all(entries)


def test_every_answer_has_its_entry(house: House) -> None:
    uuid, admin = house.endpoint(), house.client()
    before = len(house.recorded())
    admin.get("/endpoints", params={"friendlyName": "Lamp 12"})
    house.client(token=None).get(f"/endpoints/{uuid}")
    admin.get("/data/nonsense")
    admin.get("/nowhere")
    admin.post(f"/endpoints/{uuid}")
    admin.post("/grants", content=b"{")
    admin.put("/grants", content=b"{", headers={"Content-Type": "application/json"})
    house.user("anna").get(f"/endpoints/{uuid}")
    entries = house.recorded()[before:]
    assert [(e["verb"], e["status"], e["who"]) for e in entries] == [
        ("GET", 200, "local-automation"),
        ("GET", 401, ""),
        ("GET", 400, "local-automation"),
        ("GET", 404, "local-automation"),
        ("POST", 405, "local-automation"),
        ("POST", 405, "local-automation"),
        ("PUT", 400, "local-automation"),
        ("GET", 404, "anna"),
    ]
    assert entries[0]["query"] == "friendlyName=Lamp+12"
    assert entries[0]["path"] == "/api/v1/endpoints"
    assert entries[0]["token"] == 1
    assert {e["from"] for e in entries} == {"127.0.0.1"}


def test_the_entry_says_what_the_body_was_about(house: House) -> None:
    uuid = house.endpoint()
    house.user("anna", {f"{uuid}/#": "READ"})
    house.observe((f"{uuid}/n/o/a", 1.0, None), ("x", 1.0, None))
    house.client().patch(f"/metadata/{uuid}", json={"unit": "W", "title": "Lamp"})
    abouts = [entry["about"] for entry in house.recorded() if "about" in entry]
    for about in abouts:
        about.pop("under", None)
    assert abouts == [
        {"endpoint": uuid, "project": "city"},
        {"user": "anna", "prefix": f"{uuid}/#", "level": "READ"},
        {"samples": 1, "refused": 1, "points": "1", "count": 1, "commit": 1},
        {"keys": "unit, title"},
    ]


def test_health_alone_is_not_recorded(house: House) -> None:
    house.client(token=None).get("/health")
    house.client(token=None).get("/openapi.json")
    assert [entry["path"] for entry in house.recorded()] == ["/api/v1/openapi.json"]


def test_no_secret_is_recorded(house: House) -> None:
    code = house.city.accounts.set_up_code()
    anyone = house.client(token=None)
    setup = anyone.post("/setup", json={"code": code, "name": "anna", "password": PASSWORD})
    login = anyone.post("/login", json={"name": "anna", "password": PASSWORD})
    anyone.post("/login", json={"name": PASSWORD, "password": "x" * 12})
    anyone.post("/login", json={"name": "anna", "password": "x" * 12})
    anna = house.client(login.json()["token"])
    token = anna.post("/tokens", json={"label": "x", "scopes": ["read"]}).json()["token"]
    anna.get(f"/data/{token}", params={"access_token": token})
    anna.post("/users", json={"name": "bert", "password": PASSWORD + "2"})
    written = "".join(str(entry) for entry in house.record.read(0, 1_000))
    secrets = (code, PASSWORD, token, setup.json()["token"], login.json()["token"], SECRET)
    for secret in secrets:
        assert secret is not None and secret not in written
    assert [e["about"]["name"] for e in house.recorded() if "/login" in e["path"] and "about" in e]
    failed = [e for e in house.recorded() if e["status"] == 401]
    assert [e.get("about") for e in failed] == [None, {"name": "anna"}]


def test_long_requests_leave_short_entries(house: House) -> None:
    long = "x" * 20_000
    answer = house.client().get(f"/data/{long}", params={"q": "ü" * 5_000})
    assert answer.status_code == 400
    assert len(answer.json()["detail"]) <= 1_000
    entry = house.recorded()[-1]
    assert len(entry["path"]) == len(entry["query"]) == RECORDED_TEXT_CHARS_MAX + 1


def test_requests_at_the_same_time_share_a_write(house: House) -> None:
    brittle = Brittle(house.record)
    with served(replace(house.city, record=brittle)) as base_url:

        def ask() -> None:
            with httpx.Client(
                base_url=base_url, headers=house.client().headers, verify=NO_TLS
            ) as client:
                assert client.get("/account", timeout=20.0).status_code == 200

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        threads[0].join(0.5)
        assert brittle.groups == []  # nothing is answered before it is written
        assert all(thread.is_alive() for thread in threads)
        brittle.held.set()
        for thread in threads:
            thread.join()
    assert sum(brittle.groups) == 20
    assert len(brittle.groups) < 20


def test_while_nothing_can_be_recorded_reads_go_on_and_nothing_is_changed(house: House) -> None:
    uuid = house.endpoint()
    brittle = Brittle(house.record)
    brittle.held.set()
    rename = f"/endpoints/{uuid}/friendlyName"
    with served(replace(house.city, record=brittle)) as base_url:
        client = house.client(base_url=base_url)
        brittle.full = True
        read = client.get(f"/endpoints/{uuid}")
        assert (read.status_code, read.json()["uuid"]) == (200, uuid)
        assert client.post("/search", json={}).status_code == 200, "it reads too"
        assert [house.city.assurance.outage.failing] == [True]
        for name in ("a", "b"):
            refused = client.put(rename, params={"friendlyName": name})
            assert refused.status_code == 503
            assert "nothing may be changed" in refused.json()["detail"]
        assert house.client().get(f"/endpoints/{uuid}").json()["friendlyName"] == "Lamp 12"
        assert client.get("/health").status_code == 200
        brittle.full = False
        assert client.put(rename, params={"friendlyName": "c"}).status_code == 204
    assert house.client().get(f"/endpoints/{uuid}").json()["friendlyName"] == "c"
    owed = [(e["verb"], e["status"]) for e in house.recorded() if e["path"].endswith(uuid)]
    assert ("GET", 200) in owed  # what could not be recorded then is in the record now
    outage = house.city.assurance.outage
    assert (outage.failing, outage.recent) == (False, True)
    renames = [e["status"] for e in house.recorded() if e["path"].endswith("friendlyName")]
    assert renames == [503, 503, 204]


def test_no_certificate_is_handed_out_while_nothing_can_be_recorded(house: House) -> None:
    uuid = house.endpoint()
    token = house.client().post(f"/endpoints/{uuid}/provisionToken").text
    brittle = Brittle(house.record, full=True)
    brittle.held.set()
    with served(replace(house.city, record=brittle)) as base_url:
        client = house.client(base_url=base_url)
        assert client.get("/account").status_code == 200  # it meets the failure
        assert client.get(f"/provision/{token}").status_code == 503
        assert client.get(f"/endpoints/{uuid}/certificates").json() == []
        brittle.full = False
        assert client.get(f"/provision/{token}").status_code == 200


def test_what_is_owed_is_bounded_and_the_rest_counted(house: House) -> None:
    brittle = Brittle(house.record, full=True)
    brittle.held.set()
    with served(replace(house.city, record=brittle)) as base_url:
        client = house.client(base_url=base_url)
        for _ in range(RECORD_OWED_MAX + 3):
            assert client.get("/account").status_code == 200
        brittle.full = False
        assert client.get("/account").status_code == 200
    entries = list(house.record.read(0, 10_000))
    assert len([e for e in entries if e.get("path") == "/api/v1/account"]) == RECORD_OWED_MAX + 1
    assert [e["count"] for e in entries if e["kind"] == "accesses-not-kept"] == [3]


def test_the_change_that_meets_the_first_failure_is_answered_503(house: House) -> None:
    uuid = house.endpoint()
    brittle = Brittle(house.record, full=True)
    brittle.held.set()
    rename = f"/endpoints/{uuid}/friendlyName"
    with served(replace(house.city, record=brittle)) as base_url:
        client = house.client(base_url=base_url)
        answer = client.put(rename, params={"friendlyName": "a"})
        assert answer.status_code == 503
        assert "look whether it was made" in answer.json()["detail"]
        brittle.full = False
        client.get("/account")
    assert [e["status"] for e in house.recorded() if e["path"].endswith("friendlyName")] == [204]


def test_the_same_secret_leaves_the_same_mask(house: House) -> None:
    for secret in ("bor_" + "x" * 43, "bor_" + "x" * 43, "bor_" + "y" * 43):
        house.client().get("/account", params={"token": secret})
    first, again, other = (entry["query"] for entry in house.recorded()[-3:])
    assert first == again != other
    assert first.startswith("token=hmac:")


def test_a_fault_of_ours_is_recorded_and_told_without_its_inside(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Mapping[str, Any]:
        raise ZeroDivisionError("inside")

    with served(replace(house.city, status=broken)) as base_url:
        answer = house.client(base_url=base_url).get("/status")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "inside" not in answer.text and "inside" in caplog.text
    assert house.recorded()[-1]["status"] == 500
