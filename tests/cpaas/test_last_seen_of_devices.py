"""An endpoint says when its device was heard last, and until when its certificate lets it in."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from cpaas.access.answers.documents import rfc3339
from tests.cpaas.conftest import House


def request_for(uuid: str) -> str:
    names = [(NameOID.COMMON_NAME, uuid), (NameOID.ORGANIZATION_NAME, "client")]
    subject = x509.Name([x509.NameAttribute(name, text) for name, text in names])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(Encoding.PEM).decode()


def test_when_it_was_heard_is_told_to_who_reads_it(house: House) -> None:
    uuid = house.endpoint()
    admin = house.client()
    assert admin.get(f"/endpoints/{uuid}").json()["lastSeen"] is None
    before = rfc3339(house.city.clock.now_ms())
    assert house.observe((f"{uuid}/Lamp/state/power", 1.0, 1_700_000_000)).status_code == 201
    reader = house.user("reader", {f"{uuid}/#": "READ"})
    assert reader.get(f"/endpoints/{uuid}").json()["lastSeen"] >= before
    browser = house.user("browser", {f"{uuid}/#": "BROWSE"})
    assert browser.get(f"/endpoints/{uuid}").json()["lastSeen"] is None


def test_when_its_certificate_ends_is_told_to_who_configures_it(house: House) -> None:
    uuid = house.endpoint()
    admin = house.client()
    assert admin.get(f"/endpoints/{uuid}").json()["certificateExpires"] is None
    issued = admin.post(f"/endpoints/{uuid}/certificate", json={"csr": request_for(uuid)})
    assert issued.status_code in (200, 201), issued.text
    [listed] = admin.get(f"/endpoints/{uuid}/certificates").json()
    told = admin.get(f"/endpoints/{uuid}").json()
    assert told["certificateExpires"] == rfc3339(listed["notAfter"])
    reader = house.user("reader", {f"{uuid}/#": "READ"})
    assert reader.get(f"/endpoints/{uuid}").json()["certificateExpires"] is None
    assert admin.delete(f"/endpoints/{uuid}/certificates").status_code in (200, 204)
    assert admin.get(f"/endpoints/{uuid}").json()["certificateExpires"] is None
