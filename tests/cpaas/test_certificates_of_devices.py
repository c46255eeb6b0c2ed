"""Certificates over HTTP: listed, denied, found when they near their end; EST needs TLS."""

from __future__ import annotations

import pytest

from security.ports import CertificateEntry
from tests.cpaas.conftest import API, House
from tests.cpaas.test_enrolment_of_devices import signing_request

DAY_MS = 86_400_000


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


def certified(house: House, uuid: str, **more: object) -> str:
    body = {"csr": signing_request(), **more}
    answer = house.client().post(f"/endpoints/{uuid}/certificate", json=body)
    assert answer.status_code == 201, answer.text
    serial: str = answer.json()["serial"]
    return serial


def test_each_is_listed_and_denied_by_its_serial(house: House) -> None:
    uuid = house.endpoint()
    first, second = certified(house, uuid), certified(house, uuid, days=7)
    path = f"/endpoints/{uuid}/certificates"
    assert [one["serial"] for one in house.client().get(path).json()] == [first, second]
    house.room.sent_away.clear()
    assert house.client().delete(f"{path}/{first.upper()}").status_code == 204
    assert house.room.sent_away == [uuid]
    listed = house.client().get(path).json()
    assert [one["revoked"] for one in listed] == [True, False]
    assert listed[0]["revokedAt"] is not None and listed[1]["revokedAt"] is None
    life_ms = listed[1]["notAfter"] - listed[1]["issuedAt"]
    assert life_ms == pytest.approx(7 * DAY_MS, abs=2_000)
    assert house.client().delete(path).json() == {"certificatesRevoked": 1}
    assert house.client().delete(path).json() == {"certificatesRevoked": 0}
    about = house.recorded()[-1]["about"]
    assert about["revoked"] == 0


def test_the_serial_of_another_endpoint_is_none_of_this_one(house: House) -> None:
    mine, other = house.endpoint(), house.endpoint("Other")
    serial = certified(house, other)
    answer = house.client().delete(f"/endpoints/{mine}/certificates/{serial}")
    assert answer.status_code == 404
    [listed] = house.client().get(f"/endpoints/{other}/certificates").json()
    assert not listed["revoked"]


def test_denying_takes_configure(house: House) -> None:
    uuid = house.endpoint()
    serial = certified(house, uuid)
    reader = house.user("certificate-reader", {f"{uuid}/#": "READ"})
    for verb, path in (("GET", ""), ("DELETE", ""), ("DELETE", f"/{serial}")):
        answer = reader.request(verb, f"/endpoints/{uuid}/certificates{path}")
        assert answer.status_code == 403, answer.text


def test_one_that_was_to_be_renewed_is_found(house: House) -> None:
    uuid, fresh = house.endpoint("Late"), house.endpoint("Fresh")
    certified(house, fresh)
    now_ms = house.city.clock.now_ms()
    house.registry.certificates.add_certificate(
        CertificateEntry("abc1", uuid, "a" * 64, now_ms + DAY_MS, issued_at=now_ms - 29 * DAY_MS)
    )
    asked = {"what": "endpoints", "state": "certificate_expires"}
    found = house.client().get("/search", params=asked).json()["hits"]
    assert [hit["uuid"] for hit in found] == [uuid]
    body = {"what": "endpoints", "filter": {"not": {"state": "certificate_expires"}}}
    others = [hit["uuid"] for hit in house.client().post("/search", json=body).json()["hits"]]
    assert fresh in others and uuid not in others
    stranger = house.user("certificate-stranger")
    assert stranger.get("/search", params=asked).json()["hits"] == []


@pytest.mark.parametrize(
    ("verb", "name"),
    [
        *(("GET", "cacerts"), ("GET", "csrattrs")),
        *(("POST", "simpleenroll"), ("POST", "simplereenroll")),
    ],
)
def test_est_is_spoken_over_tls_alone(house: House, verb: str, name: str) -> None:
    base = house.base_url.removesuffix(API)
    answer = house.client(token=None, base_url=base).request(verb, f"/.well-known/est/{name}")
    assert answer.status_code == 403
    assert "BOROUGH_EST" in answer.json()["detail"]
