"""A device's identity by the client: enrolled, renewed, and what it says when that fails."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from borough_client import NotAllowed, NotSignedIn, Unreachable, device
from borough_client.device import Identity
from security.encryption import tiers
from security.encryption.authority import Authority
from tests.cpaas.conftest import House
from tests.cpaas.est_port import EstPort, est_port


@pytest.fixture(scope="module")
def port(shared_house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EstPort]:
    with est_port(shared_house, tmp_path_factory.mktemp("est")) as served:
        yield served


@pytest.fixture
def uuid(shared_house: House) -> str:
    return shared_house.endpoint()


def token_of(house: House, uuid: str) -> str:
    return house.client().post(f"/endpoints/{uuid}/provisionToken").text


@pytest.fixture
def identity(port: EstPort, shared_house: House, uuid: str, tmp_path: Path) -> Identity:
    token = token_of(shared_house, uuid)
    return Identity.enrol(port.url, uuid, token, tmp_path / "device", port.anchors)


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_it_enrols_with_a_key_of_its_own(identity: Identity, uuid: str) -> None:
    own = certificate(identity.certificate)
    assert own.subject.rfc4514_string() == f"O=client,CN={uuid}"
    key = serialization.load_pem_private_key(identity.key.read_bytes(), None)
    assert key.public_key() == own.public_key()
    for path in (identity.key, identity.certificate, identity.anchors):
        assert path.stat().st_mode & 0o777 == 0o600
    assert Identity.of_bundle(identity.key.parent) == identity
    ssl.create_default_context().load_cert_chain(identity.certificate, identity.key)


def test_a_renewal_replaces_the_certificate_and_keeps_the_key(
    port: EstPort, shared_house: House, identity: Identity
) -> None:
    before, key = certificate(identity.certificate), identity.key.read_bytes()
    identity.renew(port.url)
    after = certificate(identity.certificate)
    assert after.serial_number != before.serial_number
    assert after.public_key() == before.public_key()
    assert identity.key.read_bytes() == key
    listed = shared_house.client().get(f"/endpoints/{identity.uuid}/certificates").json()
    assert [one["revoked"] for one in listed] == [False, False]


def test_it_is_due_after_two_thirds(identity: Identity) -> None:
    ends = identity.ends()
    assert not identity.due()
    assert not identity.due(ends - timedelta(days=10, minutes=10))
    assert identity.due(ends - timedelta(days=9))


def test_roots_that_came_after_it_are_taken_over(port: EstPort, identity: Identity) -> None:
    identity.anchors.write_bytes(port.anchors.read_bytes() * 2)
    identity.renew(port.url)
    assert identity.anchors.read_bytes() == port.anchors.read_bytes()


def test_what_the_platform_refuses_changes_no_file(
    port: EstPort, shared_house: House, identity: Identity
) -> None:
    before = identity.certificate.read_bytes()
    shared_house.client().delete(f"/endpoints/{identity.uuid}/certificates")
    with pytest.raises(NotAllowed, match="enrol the device again"):
        identity.renew(port.url)
    assert identity.certificate.read_bytes() == before
    folder = identity.key.parent.with_name("other")
    with pytest.raises(NotSignedIn, match="unknown, used, expired"):
        Identity.enrol(port.url, identity.uuid, "0" * 64, folder, port.anchors)
    assert not list(folder.glob("*.key")) and not list(folder.glob("*-private-key.pem"))


def test_somebody_else_s_port_is_told_nothing(
    port: EstPort, identity: Identity, tmp_path: Path
) -> None:
    other = tmp_path / "authority"
    other.mkdir()
    stranger = Authority.create(other, b"passphrase", lambda: 1_795_300_000_000)
    identity.anchors.write_bytes(stranger.anchors_pem)
    with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        identity.renew(port.url)
    assert tiers.generations(other)
    with pytest.raises(Unreachable, match="simpleenroll"):
        Identity.enrol("https://127.0.0.1:1", identity.uuid, "x", tmp_path / "a", port.anchors)


def test_an_answer_is_bounded(
    port: EstPort, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "EST_ANSWER_BYTES_MAX", 100)
    with pytest.raises(Unreachable, match="too long"):
        identity.renew(port.url)


def test_a_folder_without_a_bundle_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds 0 client certificates"):
        Identity.of_bundle(tmp_path)
