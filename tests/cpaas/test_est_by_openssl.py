"""EST (RFC 7030) as a client sees it that knows nothing of us."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from ciaas.kernel.address import EndpointId
from security.limits import CERTIFICATE_REQUEST_BYTES_MAX
from tests.cpaas.conftest import SECRET, House
from tests.cpaas.est_peer import WELL_KNOWN, EstPeer, openssl, request
from tests.cpaas.est_port import EstPort, est_port

NOWHERE = "00000000-0000-4000-8000-00000000dead"


@pytest.fixture(scope="module")
def port(shared_house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EstPort]:
    with est_port(shared_house, tmp_path_factory.mktemp("est")) as served:
        yield served


@pytest.fixture(scope="module")
def peer(port: EstPort) -> EstPeer:
    return EstPeer(port.url.removeprefix("https://"), port.anchors)


@pytest.fixture
def uuid(shared_house: House) -> str:
    return shared_house.endpoint()


def token_of(house: House, uuid: str) -> str:
    return house.client().post(f"/endpoints/{uuid}/provisionToken").text


def enrolled(house: House, peer: EstPeer, uuid: str, folder: Path) -> tuple[Path, Path]:
    """Return the files of a certificate and its key that came by simpleenroll."""
    key, der = request(folder, uuid)
    [pem] = peer.enrol(uuid, token_of(house, uuid), der).certificates()
    certificate = key.with_suffix(".pem")
    certificate.write_text(pem)
    return certificate, key


def serials(house: House, uuid: str) -> list[str]:
    found = house.client().get(f"/endpoints/{uuid}/certificates").json()
    return [one["serial"] for one in found]


def test_the_authorities_and_what_a_request_is_to_be_like(
    peer: EstPeer, port: EstPort, tmp_path: Path
) -> None:
    root, issuing = peer.ask("GET", f"{WELL_KNOWN}/cacerts").certificates()
    assert root.strip() == port.anchors.read_text().strip()
    assert b"OK" in openssl("verify", "-CAfile", str(port.anchors), data=issuing.encode())
    answer = peer.ask("GET", f"{WELL_KNOWN}/csrattrs")
    assert answer.headers["content-type"] == "application/csrattrs"
    shown = openssl("asn1parse", "-inform", "DER", data=answer.der()).decode()
    for word in ("id-ecPublicKey", "prime256v1", "ecdsa-with-SHA256"):
        assert word in shown


def test_a_device_enrols_and_renews(
    shared_house: House, peer: EstPeer, port: EstPort, uuid: str, tmp_path: Path
) -> None:
    first = enrolled(shared_house, peer, uuid, tmp_path)
    text = openssl("x509", "-in", str(first[0]), "-noout", "-text").decode()
    assert f"Subject: CN = {uuid}, O = client" in text
    assert f"URI:urn:uuid:{uuid}" in text and "TLS Web Client Authentication" in text
    _, der = request(tmp_path, uuid)
    [second] = peer.renew(first, der).certificates()
    clients = tmp_path / "clients.pem"
    clients.write_bytes(port.authority.clients_pem)
    for pem in (first[0].read_text(), second):
        assert b"OK" in openssl("verify", "-CAfile", str(clients), data=pem.encode())
    assert len(set(serials(shared_house, uuid))) == 2
    # The one before stays good until its end, lest an answer that was lost locks the device out.
    assert peer.renew(first, der).status == 200
    entry = shared_house.recorded()[-1]
    assert entry["path"] == f"{WELL_KNOWN}/simplereenroll"
    assert entry["about"]["endpoint"] == uuid
    assert entry["about"]["serial"] == serials(shared_house, uuid)[-1]


def test_a_token_enrols_once_and_its_own_endpoint(
    shared_house: House, peer: EstPeer, uuid: str, tmp_path: Path
) -> None:
    other, enrol = shared_house.endpoint("Other"), f"{WELL_KNOWN}/simpleenroll"
    token, (_, der) = token_of(shared_house, uuid), request(tmp_path, uuid)
    assert peer.ask("POST", enrol, raw=b"x").status == 401
    longest = b"A" * (2 * CERTIFICATE_REQUEST_BYTES_MAX)
    for body in (b"", b"x", b"\xff", longest, longest + b"A"):
        refused = peer.ask("POST", enrol, raw=body, basic=(uuid, token))
        assert refused.status == 400, body[:10]
    assert b"at most 16384 bytes" in refused.body
    refused = peer.enrol(other, token, der)
    assert refused.status == 401
    assert refused.headers["www-authenticate"].startswith("Basic realm=")
    assert peer.enrol("", token, der).status == 200
    assert peer.enrol("", token, der).status == 401
    assert serials(shared_house, other) == []
    assert token not in str(shared_house.recorded())


def test_a_weak_key_does_not_use_the_token_up(
    shared_house: House, peer: EstPeer, uuid: str, tmp_path: Path
) -> None:
    token, key = token_of(shared_house, uuid), tmp_path / "weak.key"
    words = ("req", "-new", "-newkey", "rsa:1024", "-nodes", "-keyout", str(key))
    weak = openssl(*words, "-outform", "DER", "-subj", f"/CN={uuid}/O=client")
    refused = peer.enrol(uuid, token, weak)
    assert refused.status == 400 and b"use RSA of 2048" in refused.body
    assert peer.enrol(uuid, token, request(tmp_path, uuid)[1]).status == 200


def test_who_may_configure_an_endpoint_enrols_it_by_an_own_token(
    shared_house: House, peer: EstPeer, uuid: str, tmp_path: Path
) -> None:
    _, der = request(tmp_path, uuid)
    assert peer.enrol(uuid, SECRET, der).status == 200
    assert peer.enrol(NOWHERE, SECRET, der).status == 404
    assert peer.enrol(uuid, "bor_" + "x" * 43, der).status == 401
    for name, level, status in (("est-reader", "READ", 403), ("est-maker", "CONFIGURE", 200)):
        client = shared_house.user(name, {f"{uuid}/#": level})
        secret = client.headers["Authorization"].removeprefix("Bearer ")
        assert peer.enrol(uuid, secret, der).status == status
    assert peer.enrol(shared_house.endpoint("Other"), secret, der).status == 404


def test_the_record_of_the_project_tells_of_each_certificate(
    shared_house: House, peer: EstPeer, uuid: str, tmp_path: Path
) -> None:
    def newest() -> tuple[int, object, object]:
        entry = shared_house.recorded()[-1]
        return entry["chain"], entry["about"]["endpoint"], entry["about"]["serial"]

    endpoint = shared_house.city.catalogue.endpoint(EndpointId(uuid))
    assert endpoint is not None
    _, der = request(tmp_path, uuid)
    own = enrolled(shared_house, peer, uuid, tmp_path)
    by_token = newest()
    assert peer.enrol(uuid, SECRET, der).status == 200
    by_configurer = newest()
    assert peer.renew(own, der).status == 200
    renewed = newest()
    token = token_of(shared_house, uuid)
    bundle = shared_house.client(token=None).get(f"/provision/{token}")
    assert bundle.status_code == 200
    told = [by_token, by_configurer, renewed, newest()]
    assert told == [(endpoint.project, uuid, serial) for serial in serials(shared_house, uuid)]
    made = shared_house.user("est-refused", {f"{uuid}/#": "READ"})
    secret = made.headers["Authorization"].removeprefix("Bearer ")
    assert peer.enrol(uuid, secret, der).status == 403
    assert shared_house.recorded()[-1]["chain"] == endpoint.project


def test_what_renews_nothing(shared_house: House, peer: EstPeer, uuid: str, tmp_path: Path) -> None:
    client = shared_house.client()
    own = enrolled(shared_house, peer, uuid, tmp_path)
    _, der = request(tmp_path, uuid)
    _, foreign = request(tmp_path, uuid, NOWHERE)
    assert peer.renew(None, der).status == 403
    assert peer.renew(own, foreign).status == 400
    ban = f"/endpoints/{uuid}/banned"
    client.put(ban, params={"blocked": True})
    assert peer.renew(own, der).status == 403
    client.put(ban, params={"blocked": False})
    assert peer.renew(own, der).status == 200
    [first, *_] = serials(shared_house, uuid)
    client.delete(f"/endpoints/{uuid}/certificates/{first}")
    assert peer.renew(own, der).status == 403

    key = tmp_path / "self.key"
    words = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key))
    (tmp_path / "self.pem").write_bytes(openssl(*words, "-subj", f"/CN={uuid}/O=client"))
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        peer.renew((tmp_path / "self.pem", key), der)


def test_the_port_serves_est_alone(peer: EstPeer) -> None:
    for path in (
        "/api/v1/health",
        "/",
        "/.well-known/estimate",
        "/.well-known/openid-configuration",
    ):
        assert peer.ask("GET", path).status == 404
    assert peer.ask("GET", f"{WELL_KNOWN}/simpleenroll").status == 405
