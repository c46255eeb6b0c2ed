"""EST (RFC 7030) as a client sees it that knows nothing of us, up to a device that connects."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.est_peer import WELL_KNOWN, EstPeer, openssl, request
from tests.promises.device import Device, Enrolled
from tests.promises.platform import Platform, free_port, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    home = tmp_path_factory.mktemp("est") / "home"
    with running(home, settings={"EST": f"127.0.0.1:{free_port()}"}) as started:
        yield started


@pytest.fixture(scope="module")
def anchors(platform: Platform) -> Path:
    path = platform.home.with_name("anchors.pem")
    path.write_text(platform.client().get("/ca-certificate").text)
    return path


@pytest.fixture(scope="module")
def peer(platform: Platform, anchors: Path) -> EstPeer:
    return EstPeer(platform._settings["EST"], anchors)


def endpoint(platform: Platform) -> str:
    made = platform.client().post("/endpoints", params={"friendlyName": "lamp"})
    uuid: str = made.json()["uuid"]
    return uuid


def token_of(platform: Platform, uuid: str) -> str:
    return platform.client().post(f"/endpoints/{uuid}/provisionToken").text


def enrolled(platform: Platform, peer: EstPeer, uuid: str, folder: Path) -> tuple[Path, Path]:
    """Return the files of a certificate and its key that came by simpleenroll."""
    key, der = request(folder, uuid)
    [pem] = peer.enrol(uuid, token_of(platform, uuid), der).certificates()
    certificate = key.with_suffix(".pem")
    certificate.write_text(pem)
    return certificate, key


def serials(platform: Platform, uuid: str) -> list[str]:
    found = platform.client().get(f"/endpoints/{uuid}/certificates").json()
    return [one["serial"] for one in found]


def connects(platform: Platform, uuid: str, anchors: Path, certificate: Path, key: Path) -> None:
    identity = Enrolled(uuid, anchors, certificate.read_bytes(), key.read_bytes())
    device = Device(platform, identity)
    device.join()
    device.leave()


def test_the_authorities_and_what_a_request_is_to_be_like(
    peer: EstPeer, anchors: Path, platform: Platform
) -> None:
    root, issuing = peer.ask("GET", f"{WELL_KNOWN}/cacerts").certificates()
    assert root.strip() == anchors.read_text().strip()
    verified = openssl("verify", "-CAfile", str(anchors), data=issuing.encode())
    assert b"OK" in verified
    answer = peer.ask("GET", f"{WELL_KNOWN}/csrattrs")
    assert answer.headers["content-type"] == "application/csrattrs"
    shown = openssl("asn1parse", "-inform", "DER", data=answer.der()).decode()
    for word in ("id-ecPublicKey", "prime256v1", "ecdsa-with-SHA256"):
        assert word in shown


def test_a_device_enrols_renews_and_connects(
    platform: Platform, peer: EstPeer, anchors: Path, tmp_path: Path
) -> None:
    uuid = endpoint(platform)
    first = enrolled(platform, peer, uuid, tmp_path)
    text = openssl("x509", "-in", str(first[0]), "-noout", "-text").decode()
    assert f"Subject: CN = {uuid}, O = client" in text
    assert f"URI:urn:uuid:{uuid}" in text and "TLS Web Client Authentication" in text
    connects(platform, uuid, anchors, *first)

    key, der = request(tmp_path, uuid)
    [pem] = peer.renew(first, der).certificates()
    second = key.with_suffix(".pem")
    second.write_text(pem)
    connects(platform, uuid, anchors, second, key)
    assert len(set(serials(platform, uuid))) == 2
    connects(platform, uuid, anchors, *first)  # until its end, lest a lost answer locks it out


def test_a_token_enrols_once_and_its_own_endpoint(
    platform: Platform, peer: EstPeer, tmp_path: Path
) -> None:
    uuid, other = endpoint(platform), endpoint(platform)
    token, (_, der) = token_of(platform, uuid), request(tmp_path, uuid)
    assert peer.ask("POST", f"{WELL_KNOWN}/simpleenroll", raw=b"x").status == 401
    assert (
        peer.ask("POST", f"{WELL_KNOWN}/simpleenroll", raw=b"x", basic=(uuid, token)).status == 400
    )
    refused = peer.enrol(other, token, der)
    assert refused.status == 401
    assert refused.headers["www-authenticate"].startswith("Basic realm=")
    assert peer.enrol("", token, der).status == 200
    assert peer.enrol("", token, der).status == 401
    assert serials(platform, other) == []


def test_who_may_configure_an_endpoint_enrols_it_by_an_own_token(
    platform: Platform, peer: EstPeer, tmp_path: Path
) -> None:
    uuid, secret = endpoint(platform), platform.keys().cli
    _, der = request(tmp_path, uuid)
    assert peer.enrol(uuid, secret, der).status == 200
    assert peer.enrol("00000000-0000-4000-8000-00000000dead", secret, der).status == 404
    assert peer.enrol(uuid, "bor_" + "x" * 43, der).status == 401


def test_what_renews_nothing(
    platform: Platform, peer: EstPeer, anchors: Path, tmp_path: Path
) -> None:
    uuid, client = endpoint(platform), platform.client()
    own = enrolled(platform, peer, uuid, tmp_path)
    _, der = request(tmp_path, uuid)
    _, foreign = request(tmp_path, uuid, "00000000-0000-4000-8000-00000000dead")
    assert peer.renew(None, der).status == 403
    assert peer.renew(own, foreign).status == 400
    ban = f"/endpoints/{uuid}/banned"
    client.put(ban, params={"blocked": True})
    assert peer.renew(own, der).status == 403
    client.put(ban, params={"blocked": False})
    assert peer.renew(own, der).status == 200
    [first, *_] = serials(platform, uuid)
    client.delete(f"/endpoints/{uuid}/certificates/{first}")
    assert peer.renew(own, der).status == 403

    key = tmp_path / "self.key"
    words = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key))
    (tmp_path / "self.pem").write_bytes(openssl(*words, "-subj", f"/CN={uuid}/O=client"))
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        peer.renew((tmp_path / "self.pem", key), der)


def test_the_port_serves_est_alone_and_the_api_in_clear_serves_none(
    platform: Platform, peer: EstPeer
) -> None:
    assert peer.ask("GET", "/api/v1/health").status == 404
    connection = http.client.HTTPConnection(platform.http, timeout=30)
    connection.request("GET", f"{WELL_KNOWN}/cacerts")
    answer = connection.getresponse()
    assert answer.status == 403
    assert b"BOROUGH_EST" in answer.read()
    connection.close()
