"""Sheets of devices over HTTP: looked at, enrolled, handed out once, redeemed once."""

from __future__ import annotations

import csv
import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from ciaas import limits
from ciaas.kernel.address import EndpointId
from ciaas.management import provisioning
from ciaas.management.bundle import PREFIX
from ciaas.management.enrolment import batches
from ciaas.management.enrolment.ports import Profile
from ciaas.management.enrolment.sheet import Sheet
from ciaas.ports import Feed
from ciaas.storage.registry.enrolment import store
from cpaas.limits import ENROLMENT_PREVIEW_ROWS, ENROLMENT_SHEETS_AT_ONCE
from security.aaa.levels import Level
from security.ports import Grant
from tests.ciaas.management.enrolment.test_sheets_of_devices import PROFILE
from tests.cpaas.conftest import House

PLAIN = {"friendly_name": "Lamp {serial}"}
PATIENCE_S = 30.0


@pytest.fixture
def maker(house: House) -> httpx.Client:
    """A user who may configure the project, and has made a profile."""
    client = house.user("maker")
    [city] = [p for p in house.registry.resources.projects() if p.name == "city"]
    house.registry.grants.put_grant(Grant(user_of(house, "maker"), (str(city.id),), Level.OWN))
    assert client.put("/enrolment-profiles/city/lamps", json=PLAIN).status_code == 200
    return client


def user_of(house: House, name: str) -> int:
    user = house.registry.accounts.user(name)
    assert user is not None
    return user.id


def sheet(*serials: str) -> str:
    return "serial,street\n" + "".join(f"{serial},a\n" for serial in serials)


def begin(client: httpx.Client, text: str, **query: Any) -> httpx.Response:
    return client.post("/enrolments", params={"profile": "lamps", **query}, content=text)


def ended(client: httpx.Client, batch: str) -> dict[str, Any]:
    """Return a batch once it runs no more."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        about: dict[str, Any] = client.get(f"/enrolments/{batch}").json()
        if about["progress"] != "running":
            return about
        threading.Event().wait(0.02)
    raise AssertionError("the batch does not end")


def test_a_sheet_becomes_endpoints_whose_tokens_work_once(
    house: House, maker: httpx.Client
) -> None:
    group = maker.put("/endpoint-groups/city/lamps")
    assert group.status_code == 200, group.text
    profile = PROFILE | {"friendly_name": "Lamp {serial}", "endpoint_group": "lamps"}
    profile |= {"properties": {"hostUri": "devices.city.example"}}
    put = maker.put("/enrolment-profiles/city/lamps", json=profile)
    assert put.json()["revision"] == 2, put.text
    text = "serial,street,lat,lon\nL-1,High Street,60.1,24.9\nL-2,Low Street,,\n"
    preview = begin(maker, text, dryRun=True)
    assert preview.status_code == 200
    assert (preview.json()["devices"], preview.json()["errors"]) == (2, [])
    assert preview.json()["first"][0]["name"] == "Lamp L-1"
    assert maker.get("/endpoints").json() == []
    made = begin(maker, text)
    assert made.status_code == 202, made.text
    about = ended(maker, made.json()["id"])
    assert (about["progress"], about["done"], about["handed_out"]) == ("done", 2, False)
    answer = maker.post(f"/enrolments/{about['id']}/result")
    assert answer.headers["Cache-Control"] == "no-store"
    first, second = csv.DictReader(io.StringIO(answer.text))
    assert (first["serial"], first["name"], second["serial"]) == ("L-1", "Lamp L-1", "L-2")
    endpoint = maker.get(f"/endpoints/{first['endpoint']}").json()
    assert endpoint["friendlyName"] == "Lamp L-1"
    assert endpoint["metaData"]["street"] == "High Street"
    [point] = house.city.catalogue.under((first["endpoint"],))
    assert point.address.endswith("/lamp/state/on")
    assert house.city.catalogue.overlay(point.id)["place"] == {"lat": 60.1, "lon": 24.9}
    members = maker.get("/endpoint-groups/city/lamps").json()["endpoints"]
    assert set(members) == {first["endpoint"], second["endpoint"]}
    anybody = house.client(token=None)
    redeemed = anybody.get(f"/provision/{first['token']}")
    assert redeemed.json()["endpoint"] == first["endpoint"]
    assert "devices.city.example" in redeemed.json()["properties"].values()
    assert anybody.get(f"/provision/{first['token']}").status_code == 404
    [fed] = maker.get(f"/endpoints/{first['endpoint']}/devices").json()
    assert (fed["serial"], fed["until"]) == ("L-1", None)


def test_tokens_are_handed_out_once_and_only_to_who_made_the_batch(
    house: House, maker: httpx.Client
) -> None:
    batch = ended(maker, begin(maker, sheet("L-1")).json()["id"])["id"]
    refused = house.client().post(f"/enrolments/{batch}/result")
    assert refused.status_code == 403
    [one] = maker.post(f"/enrolments/{batch}/result", params={"form": "json"}).json()
    assert set(one) == {"line", "serial", "name", "endpoint", "token"}
    again = maker.post(f"/enrolments/{batch}/result")
    assert again.status_code == 409
    assert "provisionToken" in again.json()["detail"]
    assert maker.get(f"/enrolments/{batch}").json()["handed_out"]
    kept = house.registry.enrolments.batch(batch)
    assert kept is not None and kept.sealed is None
    assert one["token"] not in (house.registry._database.path.read_bytes()).decode("latin-1")
    assert maker.get("/enrolments").json()[0]["id"] == batch


def test_a_sheet_with_an_error_enrols_nothing(maker: httpx.Client) -> None:
    answer = begin(maker, sheet("L-1", "L-1"))
    assert answer.status_code == 422
    [flaw] = answer.json()["errors"]
    assert (flaw["line"], flaw["column"]) == (3, "serial")
    assert begin(maker, "no sheet").status_code == 422
    assert maker.get("/enrolments").json() == []


def test_a_serial_number_is_one_device_until_its_endpoint_is_deleted(maker: httpx.Client) -> None:
    batch = ended(maker, begin(maker, sheet("L-1")).json()["id"])["id"]
    [one] = maker.post(f"/enrolments/{batch}/result", params={"form": "json"}).json()
    [flaw] = begin(maker, sheet("L-1"), dryRun=True).json()["errors"]
    assert "enrolled already" in flaw["message"]
    assert maker.delete(f"/endpoints/{one['endpoint']}").status_code in (200, 204)
    again = begin(maker, sheet("L-1"))
    assert again.status_code == 202, again.text
    assert ended(maker, again.json()["id"])["progress"] == "done"


def test_a_batch_that_halts_says_why_and_goes_on(house: House, maker: httpx.Client) -> None:
    maker.put("/endpoint-groups/city/lamps")
    with_group = PLAIN | {"endpoint_group": "lamps"}
    assert maker.put("/enrolment-profiles/city/lamps", json=with_group).status_code == 200
    assert maker.delete("/endpoint-groups/city/lamps").status_code == 204
    about = ended(maker, begin(maker, sheet("L-1", "L-2")).json()["id"])
    assert (about["progress"], about["done"]) == ("halted", 0)
    assert "endpoint group named 'lamps'" in about["detail"]
    early = maker.post(f"/enrolments/{about['id']}/result")
    assert early.status_code == 409
    maker.put("/endpoint-groups/city/lamps")
    assert maker.post(f"/enrolments/{about['id']}/resume").status_code == 202
    assert ended(maker, about["id"])["progress"] == "done"
    assert maker.post(f"/enrolments/{about['id']}/resume").status_code == 409
    told = [e for e in house.record.read(0, 10_000) if e.get("kind") == "enrolment"]
    assert [e["about"]["outcome"] for e in told] == ["halted", "done"]


def test_a_batch_is_worked_off_in_steps(
    monkeypatch: pytest.MonkeyPatch, house: House, maker: httpx.Client
) -> None:
    monkeypatch.setattr(batches, "ENROLMENT_STEP_ROWS", 2)
    before = house.registry.version()
    about = ended(maker, begin(maker, sheet(*(f"L-{n}" for n in range(5)))).json()["id"])
    assert about["done"] == 5
    assert house.registry.version() - before == 3
    assert limits.ENROLMENT_STEP_ROWS <= limits.ENROLMENT_ROWS_MAX


def test_profiles_are_changed_only_on_top_of_what_was_read(maker: httpx.Client) -> None:
    path = "/enrolment-profiles/city/lamps"
    assert maker.get(path).json() | {"document": 0} == {
        "project": "city", "name": "lamps", "revision": 1, "document": 0,
    }  # fmt: skip
    assert maker.put(path, json=PLAIN).json()["revision"] == 1
    changed = PLAIN | {"place": "depot"}
    assert maker.put(path, json=changed, params={"revision": 0}).status_code == 409
    assert maker.put(path, json=changed, params={"revision": 1}).json()["revision"] == 2
    assert len(maker.get("/enrolment-profiles").json()) == 1
    assert maker.put(path, json=PLAIN | {"friendly_name": "{}"}).status_code == 422
    assert maker.put(path, json=PLAIN | {"endpoint_group": "none"}).status_code == 422
    assert maker.delete(path).status_code == 204
    assert maker.get(path).status_code == 404
    assert begin(maker, sheet("L-1")).status_code == 404


def test_who_may_not_hand_on_rights_makes_no_profile_that_does(house: House) -> None:
    house.client().put("/endpoint-groups/city/lamps")
    client = house.user("keeper")
    [city] = [p for p in house.registry.resources.projects() if p.name == "city"]
    house.registry.grants.put_grant(
        Grant(user_of(house, "keeper"), (str(city.id),), Level.CONFIGURE)
    )
    path, group = "/enrolment-profiles/city/lamps", {"endpoint_group": "lamps"}
    assert client.put(path, json=PLAIN | group).status_code == 403
    assert client.put(path, json=PLAIN).status_code == 200


def test_bounds_of_what_a_project_keeps(
    monkeypatch: pytest.MonkeyPatch, maker: httpx.Client
) -> None:
    monkeypatch.setattr(store, "ENROLMENT_PROFILES_PER_PROJECT_MAX", 1)
    assert maker.put("/enrolment-profiles/city/more", json=PLAIN).status_code == 409
    large = PLAIN | {"metadata": {"a": "x" * limits.ENROLMENT_PROFILE_BYTES_MAX}}
    assert maker.put("/enrolment-profiles/city/lamps", json=large).status_code == 409
    monkeypatch.setattr(store, "ENROLMENT_BATCHES_PER_PROJECT_MAX", 1)
    assert begin(maker, sheet("L-1")).status_code == 202
    assert begin(maker, sheet("L-2")).status_code == 409
    many = sheet(*(f"M-{n}" for n in range(ENROLMENT_PREVIEW_ROWS + 1)))
    preview = begin(maker, many, dryRun=True).json()
    assert (len(preview["first"]), preview["devices"]) == (
        ENROLMENT_PREVIEW_ROWS,
        ENROLMENT_PREVIEW_ROWS + 1,
    )


def test_a_replaced_device_leaves_endpoint_history_and_rights(
    house: House, maker: httpx.Client
) -> None:
    batch = ended(maker, begin(maker, sheet("L-1", "L-2")).json()["id"])["id"]
    one, other = maker.post(f"/enrolments/{batch}/result", params={"form": "json"}).json()
    uuid, anybody = one["endpoint"], house.client(token=None)
    before = anybody.get(f"/provision/{one['token']}").json()
    address = f"{uuid}/lamp/state/power"
    assert house.observe((address, 7.0, 1_700_000_000)).status_code == 201
    # As what its device delivered.
    house.registry.resources.change_endpoint(EndpointId(uuid), feed=Feed.DEVICE)
    reader = house.user("reader", {f"{uuid}/#": "READ"})
    path = f"/endpoints/{uuid}/devices"
    taken = maker.post(path, json={"serial": "L-2"})
    assert taken.status_code == 409, taken.text
    [kept] = maker.get(f"/endpoints/{uuid}/certificates").json()
    assert not kept["revoked"], "what is refused denies nothing"
    replaced = maker.post(path, json={"serial": "N-1"})
    assert replaced.status_code == 201, replaced.text
    assert replaced.headers["Cache-Control"] == "no-store"
    assert replaced.json()["certificatesRevoked"] == 1
    [denied] = maker.get(f"/endpoints/{uuid}/certificates").json()
    assert denied["revoked"]
    assert house.registry.certificates.in_force(0) == {}
    assert house.room.sent_away == [uuid]
    after = anybody.get(f"/provision/{replaced.json()['token']}").json()
    assert after["endpoint"] == uuid
    assert after["clientCertificate"] != before["clientCertificate"]
    assert reader.get(f"/data/{address}").json()["value"] == 7.0
    first, second = maker.get(path).json()
    assert (first["serial"], second["serial"]) == ("L-1", "N-1")
    assert first["until"] == second["since"] and second["until"] is None
    again = begin(maker, sheet("L-1"))
    assert again.status_code == 202, "the device that was taken down may go elsewhere"
    assert maker.post(path, json={"serial": "no serial"}).status_code == 422
    assert house.user("visitor", {f"{uuid}/#": "READ"}).get(path).status_code == 403
    assert other["serial"] == "L-2"


def test_a_new_device_s_bundle_says_where_to_connect(
    house: House, maker: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = ended(maker, begin(maker, sheet("L-1")).json()["id"])["id"]
    [one] = maker.post(f"/enrolments/{batch}/result", params={"form": "json"}).json()
    path = f"/endpoints/{one['endpoint']}/devices"
    monkeypatch.setattr(provisioning, "_is_unspecified", lambda _: True)
    nameless = maker.post(path, json={"serial": "N-1"})
    assert nameless.status_code == 422
    assert "give the property hostUri" in nameless.json()["detail"]
    unfit = maker.post(path, json={"serial": "N-1", "properties": {"hostUri": "city.example:1"}})
    assert unfit.status_code == 422
    assert "leave the port out" in unfit.json()["detail"]
    assert [known["serial"] for known in maker.get(path).json()] == ["L-1"]
    own = {"hostUri": "devices.city.example", "ch.hevs.cloudio.endpoint.note": "north"}
    replaced = maker.post(path, json={"serial": "N-1", "properties": own})
    assert replaced.status_code == 201, replaced.text
    bundle = house.client(token=None).get(f"/provision/{replaced.json()['token']}").json()
    assert bundle["properties"][f"{PREFIX}hostUri"] == "devices.city.example"
    assert bundle["properties"][f"{PREFIX}note"] == "north"


def test_few_sheets_are_read_at_a_time(
    monkeypatch: pytest.MonkeyPatch, maker: httpx.Client
) -> None:
    reading, most, turn = 0, 0, threading.Lock()
    full = threading.Event()
    preview = batches.Batches.preview

    def slow(self: batches.Batches, profile: Profile, text: bytes) -> Sheet:
        nonlocal reading, most
        with turn:
            reading += 1
            most = max(most, reading)
            if reading == ENROLMENT_SHEETS_AT_ONCE:
                full.set()
        assert full.wait(PATIENCE_S)
        try:
            return preview(self, profile, text)
        finally:
            with turn:
                reading -= 1

    monkeypatch.setattr(batches.Batches, "preview", slow)
    count = 3 * ENROLMENT_SHEETS_AT_ONCE
    with ThreadPoolExecutor(count) as pool:
        answers = list(pool.map(lambda n: begin(maker, sheet(f"L-{n}"), dryRun=True), range(count)))
    assert [answer.status_code for answer in answers] == [200] * count
    assert most == ENROLMENT_SHEETS_AT_ONCE
