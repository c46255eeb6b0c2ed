"""Certificates and bundles over HTTP: fetched once, without a login, and never recorded."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cpaas.conftest import House


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


def public_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem.decode()


def signing_request() -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whatever")])
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def token_of(house: House, uuid: str, **properties: str) -> str:
    body = {"customProperties": properties} if properties else None
    answer = house.client().post(f"/endpoints/{uuid}/provisionToken", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert re.fullmatch("[0-9a-f]{64}", answer.text)
    return answer.text


def test_a_bundle_is_fetched_once_without_a_login(house: House) -> None:
    uuid = house.endpoint()
    token, anyone = token_of(house, uuid), house.client(token=None)
    answer = anyone.get(f"/provision/{token}")
    assert answer.status_code == 200
    assert answer.headers["Endpoint"] == uuid
    assert answer.headers["Cache-Control"] == "no-store"
    bundle = answer.json()
    assert set(bundle) == {
        "endpoint", "properties", "caCertificate", "clientCertificate", "clientPrivateKey", "notes"
    }  # fmt: skip
    assert bundle["properties"]["ch.hevs.cloudio.endpoint.uuid"] == uuid
    certificate = x509.load_pem_x509_certificate(bundle["clientCertificate"].encode())
    assert certificate.subject.rfc4514_string() == f"O=client,CN={uuid}"
    again = anyone.get(f"/provision/{token}")
    assert again.status_code == 404
    assert "ask for another" in again.json()["detail"]


def test_a_later_token_voids_the_earlier(house: House) -> None:
    uuid, anyone = house.endpoint(), house.client(token=None)
    earlier, later = token_of(house, uuid), token_of(house, uuid)
    assert anyone.get(f"/provision/{earlier}").status_code == 404
    assert anyone.get(f"/provision/{later}").status_code == 200


def test_the_archive_holds_what_a_device_unpacks(house: House) -> None:
    uuid = house.endpoint()
    answer = house.client(token=None).get(
        f"/provision/{token_of(house, uuid, messageFormat='json')}",
        params={"propertiesFileName": "lamp"},
        headers={"Accept": "application/zip"},
    )
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == [
            "lamp.properties", "ca-cert.pem", f"{uuid}-client-cert.pem", f"{uuid}-private-key.pem"
        ]  # fmt: skip
        properties = archive.read("lamp.properties").decode()
    assert f"ch.hevs.cloudio.endpoint.uuid = {uuid}\n" in properties
    assert "ch.hevs.cloudio.endpoint.messageFormat = json\n" in properties
    assert "Interval" not in properties


def test_a_device_with_a_key_of_its_own_gets_none(house: House) -> None:
    uuid, anyone = house.endpoint(), house.client(token=None)
    token = token_of(house, uuid)
    bad = anyone.get(f"/provision/{token}", params={"publicKey": "-----BEGIN NONSENSE-----"})
    assert bad.status_code == 422
    bad = anyone.get(f"/provision/{token}", params={"propertiesFileName": "../../etc/passwd"})
    assert bad.status_code == 422
    answer = anyone.get(f"/provision/{token}", params={"publicKey": public_key()})
    assert answer.status_code == 200
    assert "clientPrivateKey" not in answer.json()


def test_a_request_is_signed_for_the_endpoint_whatever_it_asks(house: House) -> None:
    uuid = house.endpoint()
    url = f"/endpoints/{uuid}/certificate"
    answer = house.client().post(url, json={"csr": signing_request()})
    assert answer.status_code == 201
    certificate = x509.load_pem_x509_certificate(answer.json()["certificate"].encode())
    assert certificate.subject.rfc4514_string() == f"O=client,CN={uuid}"
    assert f"{certificate.serial_number:x}" == answer.json()["serial"].lstrip("0")
    until = datetime.fromtimestamp(answer.json()["notAfter"] / 1000, UTC)
    assert until == certificate.not_valid_after_utc
    bad = house.client().post(url, json={"csr": "ü"})
    assert bad.status_code == 422


def test_the_authority_is_for_who_signs_in(house: House) -> None:
    pem = house.client().get("/ca-certificate").content
    authority = x509.load_pem_x509_certificate(pem)
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize("key", ["keepAliveInterval", "uuid", "a b"])
def test_properties_that_break_stock_devices_are_refused(house: House, key: str) -> None:
    body = {"customProperties": {key: "1"}}
    url = f"/endpoints/{house.endpoint()}/provisionToken"
    assert house.client().post(url, json=body).status_code == 422


def test_an_endpoint_that_an_app_feeds_takes_no_device(house: House) -> None:
    uuid = house.endpoint()
    house.observe((f"{uuid}/n/o/a", 1.0, None))
    assert house.client().post(f"/endpoints/{uuid}/provisionToken").status_code == 422
    csr = {"csr": signing_request()}
    assert house.client().post(f"/endpoints/{uuid}/certificate", json=csr).status_code == 422


def test_deleting_the_endpoint_takes_certificates_and_token_away(house: House) -> None:
    uuid, anyone = house.endpoint(), house.client(token=None)
    serial = house.client().post(
        f"/endpoints/{uuid}/certificate", json={"csr": signing_request()}
    ).json()["serial"]  # fmt: skip
    token = token_of(house, uuid)
    assert house.client().delete(f"/endpoints/{uuid}").json()["certificatesRevoked"] == 1
    certificate = house.registry.certificates.certificate(serial)
    assert certificate is not None and certificate.revoked
    assert anyone.get(f"/provision/{token}").status_code == 404


def test_a_token_is_in_no_file_of_the_record(house: House) -> None:
    token, anyone = token_of(house, house.endpoint()), house.client(token=None)
    for path in (
        f"/provision/{token}",
        f"/provision/{token}/x",
        f"/Provision/{token}",
        f"/{token}",
    ):
        anyone.get(path, params={"publicKey": "x", "token": token})
    written = "".join(str(entry) for entry in house.record.read(0, 1000))
    assert "/provision/hmac:" in written
    assert token not in written
