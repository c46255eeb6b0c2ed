"""Provisioning over the real registry and authority: single use, expiry, and what becomes void."""

from __future__ import annotations

import io
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from ciaas.kernel.address import AddressError
from ciaas.limits import PROVISION_TOKEN_LIFE_MS
from ciaas.management.bundle import PREFIX, Bundle
from ciaas.management.provisioning import Provisioning, ProvisioningError
from ciaas.ports import Conflict, Endpoint, Feed, Missing
from ciaas.storage.registry import Registry, migrate, open_registry
from security.encryption.authority import Authority
from security.encryption.certificates import IssuedCertificate, read_presented
from security.limits import DEVICE_CERTIFICATE_DAYS
from security.ports import CertificateEntry

DAY_MS = 86_400_000


class MovedClock:
    def __init__(self) -> None:
        self.now = 1_795_300_000_000

    def now_ms(self) -> int:
        return self.now


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def registry(tmp_path: Path, clock: MovedClock) -> Iterator[Registry]:
    migrate(tmp_path / "registry.sqlite")
    with open_registry(tmp_path / "registry.sqlite", clock=clock) as opened:
        yield opened


@pytest.fixture(scope="module")
def authority_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("authority")
    Authority.create(folder, b"passphrase", MovedClock().now_ms)
    return folder


@pytest.fixture
def provisioning(registry: Registry, authority_folder: Path, clock: MovedClock) -> Provisioning:
    authority = Authority.open(authority_folder, b"passphrase", clock.now_ms)
    return Provisioning(
        registry.resources, registry.certificates, authority, clock, "city.example", 8883
    )


@pytest.fixture
def endpoint(registry: Registry, provisioning: Provisioning) -> Endpoint:
    project = registry.resources.create_project("city")
    return provisioning.create(project.id, "Lamp", {}, None)


def redeemed(provisioning: Provisioning, endpoint: Endpoint, **properties: str) -> Bundle:
    bundle = provisioning.redeem(provisioning.provision_token(endpoint, properties), None, None)
    assert bundle is not None
    return bundle


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def signing_request() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have something happen while the authority signs."""
    sign = Authority.issue_endpoint

    def issue(authority: Authority, *args: Any, **options: Any) -> IssuedCertificate:
        act()
        return sign(authority, *args, **options)

    monkeypatch.setattr(Authority, "issue_endpoint", issue)


def test_a_token_works_once(provisioning: Provisioning, endpoint: Endpoint) -> None:
    token = provisioning.provision_token(endpoint, {})
    assert provisioning.redeem(token, None, None) is not None
    assert provisioning.redeem(token, None, None) is None


def test_of_many_at_the_same_time_one_gets_the_bundle(
    provisioning: Provisioning, endpoint: Endpoint
) -> None:
    token, key = (
        provisioning.provision_token(endpoint, {}),
        pem_of(ec.generate_private_key(ec.SECP256R1())),
    )
    ready, found = threading.Barrier(6), []

    def redeem() -> None:
        ready.wait()
        found.append(provisioning.redeem(token, key, None))

    threads = [threading.Thread(target=redeem) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([bundle for bundle in found if bundle is not None]) == 1


def test_a_token_ends(provisioning: Provisioning, endpoint: Endpoint, clock: MovedClock) -> None:
    token = provisioning.provision_token(endpoint, {})
    clock.now += PROVISION_TOKEN_LIFE_MS
    assert provisioning.redeem(token, None, None) is None
    token = provisioning.provision_token(endpoint, {})
    clock.now += PROVISION_TOKEN_LIFE_MS - 1
    assert provisioning.redeem(token, None, None) is not None


def test_the_token_itself_is_not_stored(
    provisioning: Provisioning, endpoint: Endpoint, registry: Registry, tmp_path: Path
) -> None:
    token = provisioning.provision_token(endpoint, {})
    assert token.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("registry*"))
    assert registry.certificates.take_provision(token, 0) is None


@pytest.mark.parametrize("token", ["", "x", "0" * 64, "\ud800", "\0"])
def test_what_is_no_token_redeems_nothing(
    provisioning: Provisioning, endpoint: Endpoint, token: str
) -> None:
    assert provisioning.redeem(token, None, None) is None


def test_a_bad_key_or_name_does_not_use_the_token_up(
    provisioning: Provisioning, endpoint: Endpoint
) -> None:
    token = provisioning.provision_token(endpoint, {})
    for key in ("nonsense", "ü", pem_of(ec.generate_private_key(ec.SECP224R1()))):
        with pytest.raises(ProvisioningError):
            provisioning.redeem(token, key, None)
    for name in ("", "..", ".hidden", "a/b", "a\\b", "a b", "x" * 101):
        with pytest.raises(ProvisioningError, match="propertiesFileName"):
            provisioning.redeem(token, None, name)
    assert provisioning.redeem(token, None, "Lamp_12.street-4") is not None


def test_key_and_certificate_belong_together_and_every_issue_has_its_own_serial(
    provisioning: Provisioning, endpoint: Endpoint, registry: Registry
) -> None:
    first, second = redeemed(provisioning, endpoint), redeemed(provisioning, endpoint)
    assert first.key_pem is not None
    key = serialization.load_pem_private_key(first.key_pem.encode(), None)
    certificate = x509.load_pem_x509_certificate(first.certificate_pem.encode())
    assert key.public_key() == certificate.public_key()
    assert first.serial != second.serial
    assert [entry.serial for entry in registry.certificates.certificates(endpoint.uuid)] == [
        first.serial, second.serial
    ]  # fmt: skip


def test_a_device_with_its_own_key_is_told_where_it_belongs(
    provisioning: Provisioning, endpoint: Endpoint
) -> None:
    token = provisioning.provision_token(endpoint, {})
    bundle = provisioning.redeem(token, pem_of(rsa.generate_private_key(65_537, 2_048)), None)
    assert bundle is not None and bundle.key_pem is None
    assert any("own private key" in note for note in bundle.notes)


def test_the_notes_name_the_end_and_a_port_that_stock_devices_cannot_use(
    provisioning: Provisioning, endpoint: Endpoint
) -> None:
    (note,) = redeemed(provisioning, endpoint).notes
    assert "the certificate ends on 2026-12-" in note
    note, _ = redeemed(replace(provisioning, port=18_883), endpoint).notes
    assert "port 18883" in note and "8883 alone" in note


def test_a_platform_that_does_not_know_its_name_asks_for_it(
    provisioning: Provisioning, endpoint: Endpoint
) -> None:
    nameless = replace(provisioning, host="0.0.0.0")
    with pytest.raises(ProvisioningError, match="hostUri"):
        nameless.provision_token(endpoint, {})
    assert redeemed(nameless, endpoint, hostUri="city.example").properties["hostUri"] == (
        "city.example"
    )


@pytest.mark.parametrize("feed", [Feed.APP, Feed.ADAPTER])
def test_what_something_else_feeds_takes_no_device(
    provisioning: Provisioning, endpoint: Endpoint, registry: Registry, feed: Feed
) -> None:
    token = provisioning.provision_token(endpoint, {})
    fed = registry.resources.change_endpoint(endpoint.uuid, feed=feed)
    with pytest.raises(ProvisioningError, match=f"fed by its {feed}"):
        provisioning.provision_token(fed, {})
    with pytest.raises(ProvisioningError, match=f"fed by its {feed}"):
        provisioning.redeem(token, None, None)
    with pytest.raises(ProvisioningError, match=f"fed by its {feed}"):
        provisioning.sign(fed, "x")


def test_deleting_revokes_what_is_in_force(
    provisioning: Provisioning, endpoint: Endpoint, registry: Registry, clock: MovedClock
) -> None:
    redeemed(provisioning, endpoint)
    clock.now += 100 * 86_400_000  # the first has ended by itself
    redeemed(provisioning, endpoint)
    token = provisioning.provision_token(endpoint, {})
    assert provisioning.delete(endpoint) == 1
    assert all(entry.revoked for entry in registry.certificates.certificates(endpoint.uuid))
    assert provisioning.redeem(token, None, None) is None
    with pytest.raises(Missing):
        provisioning.delete(endpoint)


def test_a_uuid_is_checked_and_never_used_twice(
    provisioning: Provisioning, endpoint: Endpoint
) -> None:
    with pytest.raises(AddressError):
        provisioning.create(endpoint.project, "x", {}, "no-uuid")
    provisioning.delete(endpoint)
    with pytest.raises(Conflict, match="deleted endpoint"):
        provisioning.create(endpoint.project, "x", {}, endpoint.uuid.upper())


def test_a_jar_holds_the_key_stores_that_javas_library_looks_for(
    provisioning: Provisioning, endpoint: Endpoint
) -> None:
    bundle = redeemed(provisioning, endpoint, hostUri="ssl://düse.example", greeting="a\\b")
    with zipfile.ZipFile(io.BytesIO(bundle.as_jar())) as jar:
        assert jar.namelist() == [
            *("META-INF/MANIFEST.MF", f"{endpoint.uuid}.properties"),
            *("authority.jks", f"{endpoint.uuid}.p12"),
        ]
        own = dict(
            line.removeprefix(PREFIX).split(" = ")
            for line in jar.read(f"{endpoint.uuid}.properties").decode("ascii").splitlines()
            if not line.startswith("#")
        )
        stores = [jar.read(name) for name in jar.namelist()[2:]]
    assert not {"ssl.clientCert", "ssl.clientKey", "ssl.authorityCert"} & own.keys()
    assert own["hostUri"] == "ssl://d\\xfcse.example:8883" and own["greeting"] == "a\\\\b"
    password = own["ssl.clientPassword"]
    assert password == own["ssl.authorityPassword"] and password.isalnum() and len(password) == 24
    trusted = pkcs12.load_pkcs12(stores[0], password.encode())
    anchors = x509.load_pem_x509_certificates(provisioning.authority.anchors_pem)
    assert [one.certificate for one in trusted.additional_certs] == anchors
    client = pkcs12.load_pkcs12(stores[1], password.encode())
    assert client.cert is not None and client.key is not None
    assert client.cert.certificate == x509.load_pem_x509_certificate(
        bundle.certificate_pem.encode()
    )
    assert client.cert.certificate.public_key() == client.key.public_key()
    issuing = x509.load_pem_x509_certificates(provisioning.authority.issuing_pem)
    assert [one.certificate for one in client.additional_certs] == issuing


@pytest.mark.slow
def test_java_itself_opens_the_key_stores(
    provisioning: Provisioning, endpoint: Endpoint, tmp_path: Path
) -> None:
    if shutil.which("keytool") is None:
        return  # a machine without Java; the test before this one reads the stores all the same
    with zipfile.ZipFile(io.BytesIO(redeemed(provisioning, endpoint).as_jar())) as jar:
        jar.extractall(tmp_path)
    own = (tmp_path / f"{endpoint.uuid}.properties").read_text()
    password = own.rpartition("ssl.authorityPassword = ")[2].strip()

    def listed(store: str, kind: str) -> str:
        words = ["keytool", "-J-Xshare:auto", "-list", "-keystore", store, "-storetype", kind]
        return subprocess.run(
            [*words, "-storepass", password],
            cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60,
        ).stdout  # fmt: skip

    assert "trustedCertEntry" in listed("authority.jks", "JKS")
    assert "PrivateKeyEntry" in listed(f"{endpoint.uuid}.p12", "PKCS12")


def test_a_jar_needs_the_private_key(provisioning: Provisioning, endpoint: Endpoint) -> None:
    token = provisioning.provision_token(endpoint, {})
    bundle = provisioning.redeem(token, pem_of(ec.generate_private_key(ec.SECP256R1())), None)
    assert bundle is not None
    with pytest.raises(ProvisioningError, match="leave publicKey out"):
        bundle.as_jar()


class TestDenying:
    def test_one_or_all(self, provisioning: Provisioning, endpoint: Endpoint) -> None:
        first, second, third = (redeemed(provisioning, endpoint).serial for _ in range(3))
        assert provisioning.revoke(endpoint, second) == 1
        assert provisioning.revoke(endpoint, second) == 0
        denied = [one.serial for one in provisioning.certificates_of(endpoint) if one.revoked]
        assert denied == [second]
        assert provisioning.revoke(endpoint, None) == 2
        assert all(one.revoked_at for one in provisioning.certificates_of(endpoint))
        assert {first, third} <= {one.serial for one in provisioning.certificates_of(endpoint)}

    def test_another_endpoint_s_certificate_is_none_of_this(
        self, provisioning: Provisioning, endpoint: Endpoint
    ) -> None:
        other = provisioning.create(endpoint.project, "Other", {}, None)
        serial = redeemed(provisioning, other).serial
        with pytest.raises(Missing, match="no certificate"):
            provisioning.revoke(endpoint, serial)
        assert not provisioning.certificates_of(other)[0].revoked

    def test_what_is_denied_while_its_successor_is_signed_has_none(
        self, provisioning: Provisioning, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        presented = read_presented(redeemed(provisioning, endpoint).certificate_pem.encode())
        assert provisioning.renew(presented, signing_request()) is not None
        meanwhile(monkeypatch, lambda: provisioning.revoke(endpoint, None))
        assert provisioning.renew(presented, signing_request()) is None
        assert all(one.revoked for one in provisioning.certificates_of(endpoint))

    def test_what_is_deleted_while_its_successor_is_signed_has_none(
        self, provisioning: Provisioning, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        presented = read_presented(redeemed(provisioning, endpoint).certificate_pem.encode())
        meanwhile(monkeypatch, lambda: provisioning.delete(endpoint))
        assert provisioning.renew(presented, signing_request()) is None

    def test_a_token_replaced_while_its_certificate_is_signed_gives_none(
        self, provisioning: Provisioning, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def redeem(token: str) -> object:
            return provisioning.redeem(token, None, None)

        def enrol(token: str) -> object:
            return provisioning.enrol(token, endpoint.uuid, signing_request())

        for use in (redeem, enrol):
            token = provisioning.provision_token(endpoint, {})
            with monkeypatch.context() as patch:
                meanwhile(patch, lambda: provisioning.provision_token(endpoint, {}))
                assert use(token) is None
        assert provisioning.certificates_of(endpoint) == []

    def test_what_is_in_force_and_what_ends_when(
        self, provisioning: Provisioning, endpoint: Endpoint, registry: Registry, clock: MovedClock
    ) -> None:
        first, second = redeemed(provisioning, endpoint), redeemed(provisioning, endpoint)
        store = registry.certificates
        assert set(store.in_force(clock.now).values()) == {endpoint.uuid}
        assert len(store.in_force(clock.now)) == 2
        ends = store.expiry()[endpoint.uuid]
        assert ends == max(one.not_after for one in provisioning.certificates_of(endpoint))
        provisioning.revoke(endpoint, first.serial)
        assert len(store.in_force(clock.now)) == 1
        assert not store.in_force(ends)
        assert store.expiry() == {endpoint.uuid: ends}
        provisioning.revoke(endpoint, second.serial)
        assert store.expiry() == {}


def test_a_certificate_is_to_be_renewed_after_two_thirds_of_its_life(
    provisioning: Provisioning, endpoint: Endpoint, registry: Registry, clock: MovedClock
) -> None:
    store = registry.certificates
    redeemed(provisioning, endpoint)
    begun = clock.now
    assert store.expiring(begun + 19 * DAY_MS) == []
    for days in (21, 31):
        assert store.expiring(begun + days * DAY_MS) == [endpoint.uuid]
    clock.now += 25 * DAY_MS
    renewed = redeemed(provisioning, endpoint)
    assert store.expiring(clock.now) == []
    provisioning.revoke(endpoint, renewed.serial)
    assert store.expiring(clock.now) == [endpoint.uuid]
    # One of an earlier version, which noted no beginning.
    other = provisioning.create(endpoint.project, "Other", {}, None)
    ends = clock.now + 11 * DAY_MS
    store.add_certificate(CertificateEntry("1f", other.uuid, "f" * 64, ends))
    assert other.uuid not in store.expiring(clock.now)
    assert other.uuid in store.expiring(clock.now + 2 * DAY_MS)


def test_a_life_is_within_its_bounds(provisioning: Provisioning, endpoint: Endpoint) -> None:
    csr = signing_request()
    lives = [
        (provisioning.sign(endpoint, csr, days)["notAfter"] - provisioning.clock.now_ms()) / DAY_MS
        for days in (7, None)
    ]
    assert lives == pytest.approx([7, DEVICE_CERTIFICATE_DAYS], abs=0.01)
    for days in (6.9, DEVICE_CERTIFICATE_DAYS + 0.1, float("nan")):
        with pytest.raises(ProvisioningError, match="7 to 30 days"):
            provisioning.sign(endpoint, csr, days)
