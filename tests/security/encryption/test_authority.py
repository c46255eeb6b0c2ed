"""The authority: what it issues, what it refuses, and that TLS accepts it."""

from __future__ import annotations

import ssl
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from security.encryption.authority import Authority
from security.encryption.certificates import (
    AuthorityError,
    CertificateError,
    IssuedCertificate,
    read_presented,
)
from security.limits import (
    CERTIFICATE_REQUEST_BYTES_MAX,
    DEVICE_CERTIFICATE_DAYS,
    DEVICE_CERTIFICATE_DAYS_MAX,
    ISSUING_DAYS,
    RSA_BITS_MIN,
    SERVER_CERTIFICATE_DAYS_MAX,
    SERVER_NAMES_MAX,
)

ENDPOINT = "5c3c0f2e-8a31-4b1c-9a77-1f0e5a6b7c8d"
HOUR_MS = 3_600_000


def parse(issued: IssuedCertificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued.certificate_pem)


def store_of(authority: Authority) -> Store:
    return Store(x509.load_pem_x509_certificates(authority.anchors_pem))


def between(authority: Authority) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(authority.issuing_pem)


def request_for(
    key: CertificateIssuerPrivateKeyTypes, algorithm: hashes.HashAlgorithm | None
) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whatever the device believes")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    request = builder.sign(key, algorithm)  # type: ignore[arg-type]  # Ed25519 takes None
    return request.public_bytes(serialization.Encoding.PEM).decode()


def public_text(key: CertificateIssuerPrivateKeyTypes) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


class TestEndpointCertificate:
    def test_has_the_subject_that_endpoints_of_cloud_io_have(self, authority: Authority) -> None:
        certificate = parse(authority.issue_endpoint(ENDPOINT))
        assert [(name.oid, name.value) for name in certificate.subject] == [
            (NameOID.COMMON_NAME, ENDPOINT),
            (NameOID.ORGANIZATION_NAME, "client"),
        ]
        assert isinstance(certificate.signature_hash_algorithm, hashes.SHA256)

    def test_comes_with_a_key_that_needs_no_passphrase(self, authority: Authority) -> None:
        issued = authority.issue_endpoint(ENDPOINT)
        assert issued.private_key_pem is not None
        assert issued.private_key_pem.startswith(b"-----BEGIN PRIVATE KEY-----")
        key = serialization.load_pem_private_key(issued.private_key_pem, None)
        assert isinstance(key, rsa.RSAPrivateKey) and key.key_size == RSA_BITS_MIN
        assert key.public_key() == parse(issued).public_key()
        assert issued.private_key_pem.decode() not in repr(issued)

    def test_is_for_clients_alone(self, authority: Authority) -> None:
        extensions = parse(authority.issue_endpoint(ENDPOINT)).extensions
        usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
        assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca

    def test_every_issue_has_a_serial_of_its_own(self, authority: Authority) -> None:
        key = public_text(ec.generate_private_key(ec.SECP256R1()))
        issued = [authority.issue_endpoint(ENDPOINT, public_key=key) for _ in range(20)]
        assert len({one.serial for one in issued}) == 20

    def test_is_described_as_the_broker_will_present_it(self, authority: Authority) -> None:
        issued = authority.issue_endpoint(ENDPOINT)
        certificate = parse(issued)
        presented = read_presented(issued.certificate_pem)
        assert presented.common_name == ENDPOINT
        assert presented.serial == issued.serial == f"{certificate.serial_number:x}"
        assert presented.fingerprint == issued.fingerprint
        assert issued.fingerprint == certificate.fingerprint(hashes.SHA256()).hex()
        assert presented.not_after == issued.not_after
        assert issued.not_after == certificate.not_valid_after_utc.timestamp() * 1_000

    def test_is_accepted_by_a_strict_verifier(self, authority: Authority) -> None:
        verifier = PolicyBuilder().store(store_of(authority)).build_client_verifier()
        verified = verifier.verify(parse(authority.issue_endpoint(ENDPOINT)), between(authority))
        assert verified.subjects is not None
        assert [subject.value for subject in verified.subjects] == [f"urn:uuid:{ENDPOINT}"]

    @pytest.mark.parametrize("endpoint", ["", "lamp", "../../etc", ENDPOINT + "0", "x" * 10_000])
    def test_is_for_a_uuid(self, authority: Authority, endpoint: str) -> None:
        with pytest.raises(AuthorityError, match="is no UUID"):
            authority.issue_endpoint(endpoint)

    def test_names_the_uuid_in_lower_case(self, authority: Authority) -> None:
        issued = authority.issue_endpoint(ENDPOINT.upper())
        assert read_presented(issued.certificate_pem).common_name == ENDPOINT


class TestLife:
    def test_is_bounded(self, authority: Authority) -> None:
        certificate = parse(authority.issue_endpoint(ENDPOINT))
        life = certificate.not_valid_after_utc - datetime.now(UTC)
        assert timedelta(days=DEVICE_CERTIFICATE_DAYS, minutes=-5) < life
        assert life <= timedelta(days=DEVICE_CERTIFICATE_DAYS)
        assert authority.issue_endpoint(ENDPOINT, days=DEVICE_CERTIFICATE_DAYS_MAX)
        for days in (0, -1, DEVICE_CERTIFICATE_DAYS_MAX + 1, float("nan"), float("inf")):
            with pytest.raises(AuthorityError, match="at most 30 days"):
                authority.issue_endpoint(ENDPOINT, days=days)
        with pytest.raises(AuthorityError, match="at most 825 days"):
            authority.issue_server(["localhost"], [], days=SERVER_CERTIFICATE_DAYS_MAX + 1)

    def test_may_be_two_minutes(self, authority: Authority) -> None:
        issued = authority.issue_endpoint(ENDPOINT, days=2 / 1_440)
        life = parse(issued).not_valid_after_utc - datetime.now(UTC)
        assert timedelta(seconds=30) < life <= timedelta(minutes=2)

    def test_forgives_a_device_clock_that_is_late(self, authority: Authority) -> None:
        begun = parse(authority.issue_endpoint(ENDPOINT)).not_valid_before_utc
        assert datetime.now(UTC) - begun >= timedelta(minutes=5)

    def test_never_outlives_the_authority(
        self, authority_directory: Path, passphrase: bytes, authority: Authority
    ) -> None:
        end = x509.load_pem_x509_certificate(authority.issuing_pem).not_valid_after_utc
        assert end - datetime.now(UTC) <= timedelta(days=ISSUING_DAYS)
        end_ms = int(end.timestamp()) * 1_000
        late = Authority.open(authority_directory, passphrase, lambda: end_ms - HOUR_MS)
        key = public_text(ec.generate_private_key(ec.SECP256R1()))
        assert late.issue_endpoint(ENDPOINT, public_key=key).not_after == end_ms
        too_late = Authority.open(authority_directory, passphrase, lambda: end_ms)
        with pytest.raises(AuthorityError, match="issuing authority has expired"):
            too_late.issue_endpoint(ENDPOINT, public_key=key)


class TestKeysOfDevices:
    @pytest.mark.parametrize(
        "key",
        [
            rsa.generate_private_key(65_537, RSA_BITS_MIN),
            ec.generate_private_key(ec.SECP256R1()),
            ec.generate_private_key(ec.SECP384R1()),
        ],
        ids=["rsa", "p256", "p384"],
    )
    def test_stay_on_the_device(
        self, authority: Authority, key: CertificateIssuerPrivateKeyTypes
    ) -> None:
        for issued in (
            authority.issue_endpoint(ENDPOINT, csr=request_for(key, hashes.SHA256())),
            authority.issue_endpoint(ENDPOINT, public_key=public_text(key)),
        ):
            assert issued.private_key_pem is None
            assert parse(issued).public_key() == key.public_key()
            assert read_presented(issued.certificate_pem).common_name == ENDPOINT
            verifier = PolicyBuilder().store(store_of(authority)).build_client_verifier()
            assert verifier.verify(parse(issued), between(authority))

    @pytest.mark.parametrize(
        "key",
        [
            rsa.generate_private_key(65_537, 1_024),
            rsa.generate_private_key(3, RSA_BITS_MIN),
            ec.generate_private_key(ec.SECP521R1()),
            dsa.generate_private_key(1_024),
            ed25519.Ed25519PrivateKey.generate(),
        ],
        ids=["rsa1024", "rsa e=3", "p521", "dsa", "ed25519"],
    )
    def test_of_other_kinds_are_refused(
        self, authority: Authority, key: CertificateIssuerPrivateKeyTypes
    ) -> None:
        algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        with pytest.raises(AuthorityError, match="use RSA of 2048 to 8192 bits or an EC key"):
            authority.issue_endpoint(ENDPOINT, csr=request_for(key, algorithm))
        with pytest.raises(AuthorityError, match="use RSA of 2048 to 8192 bits or an EC key"):
            authority.issue_endpoint(ENDPOINT, public_key=public_text(key))

    def test_longer_than_the_bound_are_refused(self, authority: Authority) -> None:
        # The number is no product of primes: what counts is its length alone.
        for bits, accepted in ((8_192, True), (8_200, False)):
            numbers = rsa.RSAPublicNumbers(65_537, (1 << (bits - 1)) + 1)
            text = (
                numbers.public_key()
                .public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                )
                .decode()
            )
            if accepted:
                assert authority.issue_endpoint(ENDPOINT, public_key=text)
            else:
                with pytest.raises(AuthorityError, match="8192"):
                    authority.issue_endpoint(ENDPOINT, public_key=text)

    def test_a_request_that_was_altered_is_refused(self, authority: Authority) -> None:
        """Somebody else's key cannot be put into a request without that key."""
        mine, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        request = x509.load_pem_x509_csr(request_for(mine, hashes.SHA256()).encode())
        form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        forged = request.public_bytes(serialization.Encoding.DER).replace(
            mine.public_key().public_bytes(*form), other.public_key().public_bytes(*form)
        )
        pem = x509.load_der_x509_csr(forged).public_bytes(serialization.Encoding.PEM).decode()
        with pytest.raises(AuthorityError, match="not signed with its own key"):
            authority.issue_endpoint(ENDPOINT, csr=pem)

    @pytest.mark.parametrize(
        "text",
        ["", "nonsense", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END-----", "ü"],
    )
    def test_what_cannot_be_read_is_refused(self, authority: Authority, text: str) -> None:
        with pytest.raises(AuthorityError, match="signing request cannot be read"):
            authority.issue_endpoint(ENDPOINT, csr=text)
        with pytest.raises(AuthorityError, match="public key cannot be read"):
            authority.issue_endpoint(ENDPOINT, public_key=text)

    def test_a_private_key_is_no_public_key(self, authority: Authority) -> None:
        private_key_pem = authority.issue_endpoint(ENDPOINT).private_key_pem
        assert private_key_pem is not None
        with pytest.raises(AuthorityError, match="public key cannot be read"):
            authority.issue_endpoint(ENDPOINT, public_key=private_key_pem.decode())

    def test_texts_are_bounded(self, authority: Authority) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        longest = public_text(key).ljust(CERTIFICATE_REQUEST_BYTES_MAX, "\n")
        assert authority.issue_endpoint(ENDPOINT, public_key=longest)
        with pytest.raises(AuthorityError, match="public key is longer than 16384"):
            authority.issue_endpoint(ENDPOINT, public_key=longest + "\n")
        with pytest.raises(AuthorityError, match="signing request is longer than 16384"):
            authority.issue_endpoint(ENDPOINT, csr=longest + "\n")

    def test_one_of_both_is_enough(self, authority: Authority) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        with pytest.raises(AuthorityError, match="not both"):
            authority.issue_endpoint(
                ENDPOINT, public_key=public_text(key), csr=request_for(key, hashes.SHA256())
            )


class TestServerCertificate:
    def test_names_all_names_and_addresses(self, authority: Authority) -> None:
        issued = authority.issue_server(["localhost", "city.example"], ["127.0.0.1", "::1"])
        names = parse(issued).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert names.value.get_values_for_type(x509.DNSName) == ["localhost", "city.example"]
        addresses = names.value.get_values_for_type(x509.IPAddress)
        assert [str(address) for address in addresses] == ["127.0.0.1", "::1"]

    def test_its_key_is_encrypted_until_it_is_needed(self, authority: Authority) -> None:
        issued = authority.issue_server(["localhost"], [])
        assert issued.private_key_pem is not None
        assert issued.private_key_pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        clear = authority.decrypt_key(issued.private_key_pem)
        key = serialization.load_pem_private_key(clear, None)
        assert key.public_key() == parse(issued).public_key()

    @pytest.mark.parametrize(
        ("names", "addresses"),
        [
            (["two words"], []),
            (["*.example"], []),
            ([""], []),
            (["ü.example"], []),
            (["-x.example"], []),
            (["a." * 126 + "ab"], []),
            ([], ["127.0.0.256"]),
            ([], ["localhost"]),
        ],
    )
    def test_bad_names_are_refused(
        self, authority: Authority, names: list[str], addresses: list[str]
    ) -> None:
        with pytest.raises(AuthorityError, match="a server cannot have this name or address"):
            authority.issue_server(names, addresses)

    def test_the_number_of_names_is_bounded(self, authority: Authority) -> None:
        names = [f"n{number}.example" for number in range(SERVER_NAMES_MAX)]
        assert authority.issue_server(names, [])
        with pytest.raises(AuthorityError, match="1 to 100 names"):
            authority.issue_server(names, ["127.0.0.1"])
        with pytest.raises(AuthorityError, match="1 to 100 names"):
            authority.issue_server([], [])

    def test_is_no_client(self, authority: Authority) -> None:
        verifier = PolicyBuilder().store(store_of(authority)).build_client_verifier()
        with pytest.raises(x509.verification.VerificationError):
            verifier.verify(parse(authority.issue_server(["localhost"], [])), between(authority))


class TestPlatformCertificate:
    def test_names_the_role_and_is_no_device(self, authority: Authority) -> None:
        issued = authority.issue_platform("core")
        subject = [str(name.value) for name in parse(issued).subject]
        assert subject == ["borough-core", "platform"]
        assert issued.private_key_pem is not None
        assert b"ENCRYPTED" in issued.private_key_pem

    @pytest.mark.parametrize("role", ["", "Core", "two words", "x" * 33, ENDPOINT])
    def test_the_role_is_a_short_word(self, authority: Authority, role: str) -> None:
        with pytest.raises(AuthorityError, match="is no role"):
            authority.issue_platform(role)


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """Connect both in memory; return the server's side."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = server.wrap_bio(to_server, to_client, server_side=True)
    other = client.wrap_bio(to_client, to_server, server_hostname=name)
    waiting = [other, one]
    for _ in range(8):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                continue
    assert not waiting
    return one


@pytest.fixture
def server_context(
    authority: Authority, authority_directory: Path, tmp_path: Path
) -> ssl.SSLContext:
    issued = authority.issue_server(["localhost"], ["127.0.0.1"])
    assert issued.private_key_pem is not None
    return context(
        ssl.Purpose.CLIENT_AUTH,
        authority_directory,
        tmp_path / "server",
        issued.certificate_pem + authority.decrypt_key(issued.private_key_pem),
    )


def context(
    purpose: ssl.Purpose, authority_directory: Path, path: Path, pem: bytes
) -> ssl.SSLContext:
    trusted = "clients.pem" if purpose is ssl.Purpose.CLIENT_AUTH else "ca.pem"
    made = ssl.create_default_context(purpose, cafile=str(authority_directory / trusted))
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    path.write_bytes(pem)
    made.load_cert_chain(path)
    return made


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_devices_and_broker_accept_each_other(
    authority: Authority,
    authority_directory: Path,
    server_context: ssl.SSLContext,
    tmp_path: Path,
    version: ssl.TLSVersion,
    host: str,
) -> None:
    issued = authority.issue_endpoint(ENDPOINT)
    assert issued.private_key_pem is not None
    client = context(
        ssl.Purpose.SERVER_AUTH,
        authority_directory,
        tmp_path / "device",
        issued.certificate_pem + issued.private_key_pem,
    )
    client.minimum_version = client.maximum_version = version
    side = shake_hands(server_context, client, host)
    presented = side.getpeercert()
    assert presented is not None
    assert presented["subject"] == (
        (("commonName", ENDPOINT),),
        (("organizationName", "client"),),
    )


def test_the_certificate_of_another_home_is_refused(
    authority_directory: Path,
    server_context: ssl.SSLContext,
    passphrase: bytes,
    tmp_path: Path,
) -> None:
    stranger = Authority.create(tmp_path, passphrase, lambda: 1_795_300_000_000)
    issued = stranger.issue_endpoint(ENDPOINT)
    assert issued.private_key_pem is not None
    client = context(
        ssl.Purpose.SERVER_AUTH,
        authority_directory,
        tmp_path / "device",
        issued.certificate_pem + issued.private_key_pem,
    )
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server_context, client, "localhost")


def test_what_is_no_certificate_is_said() -> None:
    with pytest.raises(CertificateError, match="not a certificate"):
        read_presented(b"nonsense")


def test_a_subject_with_two_common_names_names_nobody() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.COMMON_NAME, str(uuid.uuid4())) for _ in range(2)]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(x509.Name([]), x509.Name(names), key.public_key(), 1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    assert read_presented(pem).common_name == ""
