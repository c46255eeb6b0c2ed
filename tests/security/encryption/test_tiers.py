"""Root and issuing authority on disk: made once, moved away, followed by others, migrated."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from security.encryption import tiers
from security.encryption.authority import Authority
from security.encryption.certificates import AuthorityError
from security.encryption.signing import pkcs8, subject
from security.limits import AUTHORITY_DAYS, GENERATIONS_MAX, ISSUING_DAYS
from tests.security.encryption.conftest import now_ms

ENDPOINT = "5c3c0f2e-8a31-4b1c-9a77-1f0e5a6b7c8d"
DAY_MS = 86_400_000
PASS = b"of the key file"
OWN = b"the operator's own"


def parse(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def old_home(directory: Path, passphrase: bytes = PASS) -> x509.Certificate:
    """Write the one authority that homes of an earlier version have, by its very fields."""
    key = rsa.generate_private_key(65_537, 2_048)
    name = subject("Borough authority 0000", "Borough")
    now = datetime.now(UTC).replace(microsecond=0)
    usage = dict.fromkeys(
        (
            *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
            *("key_agreement", "encipher_only", "decipher_only"),
        ),
        False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=7_300))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**usage, key_cert_sign=True, crl_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    (directory / "ca.key").touch(0o600)
    (directory / "ca.key").write_bytes(pkcs8(key, passphrase))
    (directory / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate


def believed(anchors: bytes, certificate: bytes, between: bytes = b"") -> bool:
    """Tell whether a strict verifier, which knows the anchors alone, takes a client's chain."""
    verifier = PolicyBuilder().store(Store(x509.load_pem_x509_certificates(anchors)))
    chain = x509.load_pem_x509_certificates(between) if between else []
    try:
        verifier.build_client_verifier().verify(parse(certificate), chain)
    except VerificationError:
        return False
    return True


def openssl_verifies(anchors: bytes, chain: bytes, purpose: str, folder: Path) -> bool:
    """Ask another implementation the same, with the chain as a server sends it."""
    (folder / "anchors.pem").write_bytes(anchors)
    (folder / "chain.pem").write_bytes(chain)
    words = ["openssl", "verify", "-x509_strict", "-purpose", purpose]
    words += ["-CAfile", "anchors.pem", "-untrusted", "chain.pem", "chain.pem"]
    return subprocess.run(words, cwd=folder, capture_output=True, check=False).returncode == 0


def test_the_key_of_the_root_is_needed_for_nothing_that_happens_each_day(tmp_path: Path) -> None:
    home = tmp_path / "authority"
    home.mkdir()
    Authority.create(home, PASS, now_ms)
    (home / "1" / "root.key").rename(tmp_path / "stick")
    opened = Authority.open(home, PASS, now_ms)
    issued = opened.issue_endpoint(ENDPOINT)
    assert believed(opened.anchors_pem, issued.certificate_pem, opened.issuing_pem)
    assert opened.issue_server(["localhost"], []) and opened.issue_platform("core")
    with pytest.raises(AuthorityError, match=r"root\.key cannot be read"):
        tiers.make_next_issuing(home, PASS, home / "1/root.key", PASS, now_ms())
    tiers.make_next_issuing(home, PASS, tmp_path / "stick", PASS, now_ms())


class TestTiers:
    def test_are_a_root_for_one_tier_and_an_issuing_authority_for_none(
        self, authority_directory: Path, authority: Authority
    ) -> None:
        root, issuing = parse(authority.anchors_pem), parse(authority.issuing_pem)
        lengths = [
            one.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
            for one in (root, issuing)
        ]
        assert lengths == [1, 0]
        issuing.verify_directly_issued_by(root)
        assert root.not_valid_after_utc - datetime.now(UTC) <= timedelta(days=AUTHORITY_DAYS)
        assert issuing.not_valid_after_utc - datetime.now(UTC) <= timedelta(days=ISSUING_DAYS)
        assert min(root.serial_number, issuing.serial_number).bit_length() > 64

    def test_keys_are_encrypted_and_private(self, authority_directory: Path) -> None:
        for name in ("root.key", "issuing.pem"):
            path = authority_directory / "1" / name
            assert path.stat().st_mode & 0o777 == 0o600
            assert b"BEGIN ENCRYPTED PRIVATE KEY" in path.read_bytes()
            assert b"BEGIN PRIVATE KEY" not in path.read_bytes()

    def test_a_server_sends_its_chain_and_other_implementations_take_it(
        self, authority: Authority, tmp_path: Path
    ) -> None:
        server = authority.issue_server(["localhost"], [])
        assert len(x509.load_pem_x509_certificates(server.certificate_pem)) == 2
        anchors = authority.anchors_pem
        assert openssl_verifies(anchors, server.certificate_pem, "sslserver", tmp_path)
        assert not openssl_verifies(anchors, server.certificate_pem, "sslclient", tmp_path)
        device = authority.issue_endpoint(ENDPOINT).certificate_pem + authority.issuing_pem
        assert openssl_verifies(anchors, device, "sslclient", tmp_path)
        assert not openssl_verifies(anchors, device, "sslserver", tmp_path)

    def test_the_root_may_have_a_passphrase_of_its_own(self, tmp_path: Path) -> None:
        tiers.make_generation(tmp_path, PASS, OWN, now_ms())
        tiers.publish(tmp_path, now_ms())
        assert Authority.open(tmp_path, PASS, now_ms)
        key = tmp_path / "1" / "root.key"
        with pytest.raises(AuthorityError, match="cannot be opened with this passphrase"):
            tiers.make_next_issuing(tmp_path, PASS, key, PASS, now_ms())
        assert tiers.make_next_issuing(tmp_path, PASS, key, OWN, now_ms())


class TestNextIssuing:
    def test_certificates_of_the_one_before_go_on_counting(self, tmp_path: Path) -> None:
        before = Authority.create(tmp_path, PASS, now_ms)
        old = before.issue_endpoint(ENDPOINT).certificate_pem
        tiers.make_next_issuing(tmp_path, PASS, tmp_path / "1/root.key", PASS, now_ms())
        assert tiers.publish(tmp_path, now_ms()) is True
        assert tiers.publish(tmp_path, now_ms()) is False
        after = Authority.open(tmp_path, PASS, now_ms)
        assert after.anchors_pem == before.anchors_pem
        assert after.issuing_pem != before.issuing_pem
        clients = (tmp_path / "clients.pem").read_bytes()
        assert before.issuing_pem in clients and after.issuing_pem in clients
        new = after.issue_endpoint(ENDPOINT).certificate_pem
        for one in (old, new):
            assert believed(after.anchors_pem, one, clients)

    def test_with_another_root_s_key_nothing_changes(self, tmp_path: Path) -> None:
        ours, other = tmp_path / "ours", tmp_path / "other"
        for folder in (ours, other):
            folder.mkdir()
            Authority.create(folder, PASS, now_ms)
        before = (ours / "1/issuing.pem").read_bytes()
        with pytest.raises(AuthorityError, match="do not belong together"):
            tiers.make_next_issuing(ours, PASS, other / "1/root.key", PASS, now_ms())
        assert (ours / "1/issuing.pem").read_bytes() == before


class TestHomesOfAnEarlierVersion:
    def test_go_on_working(self, tmp_path: Path) -> None:
        root = old_home(tmp_path)
        opened = Authority.open(tmp_path, PASS, now_ms)
        assert parse(opened.anchors_pem) == root and opened.issuing_pem == b""
        issued = opened.issue_endpoint(ENDPOINT)
        assert believed(opened.anchors_pem, issued.certificate_pem)
        assert len(x509.load_pem_x509_certificates(opened.issue_server(["a"], []).certificate_pem))
        with pytest.raises(AuthorityError, match="holds an authority already"):
            Authority.create(tmp_path, PASS, now_ms)
        tiers.publish(tmp_path, now_ms())
        assert (tmp_path / "clients.pem").read_bytes() == (tmp_path / "ca.pem").read_bytes()

    def test_migrated_both_sides_know_each_other_until_the_last_certificate_ends(
        self, tmp_path: Path
    ) -> None:
        """Devices that have the old authority alone still know the servers."""
        old_root = old_home(tmp_path).public_bytes(serialization.Encoding.PEM)
        device = Authority.open(tmp_path, PASS, now_ms).issue_endpoint(ENDPOINT).certificate_pem
        until = now_ms() + 90 * DAY_MS
        tiers.put_aside_flat(tmp_path)
        tiers.make_generation(tmp_path, PASS, PASS, now_ms())
        tiers.retire(tmp_path, until)
        tiers.publish(tmp_path, now_ms())
        assert not (tmp_path / "ca.key").exists()

        opened = Authority.open(tmp_path, PASS, now_ms)
        server = opened.issue_server(["localhost"], []).certificate_pem
        work = tmp_path / "work"
        work.mkdir()
        for anchors in (old_root, opened.anchors_pem):
            assert openssl_verifies(anchors, server, "sslserver", work)
        fresh = opened.issue_endpoint(ENDPOINT).certificate_pem
        clients = (tmp_path / "clients.pem").read_bytes()
        for one in (device, fresh):
            assert believed(opened.anchors_pem, one, clients)
        assert not believed(old_root, fresh, opened.issuing_pem)

        later = until + DAY_MS
        tiers.publish(tmp_path, later)
        assert old_root not in (tmp_path / "ca.pem").read_bytes()
        assert old_root not in (tmp_path / "clients.pem").read_bytes()
        opened = Authority.open(tmp_path, PASS, lambda: later)
        server = opened.issue_server(["localhost"], []).certificate_pem
        assert len(x509.load_pem_x509_certificates(server)) == 2
        assert not opened.signs_for(parse(device))

    def test_a_migration_that_was_cut_short_is_done_again(self, tmp_path: Path) -> None:
        old_home(tmp_path)
        (tmp_path / ".0.new").mkdir()
        (tmp_path / ".0.new/root.pem").write_bytes(b"half")
        tiers.put_aside_flat(tmp_path)
        (tmp_path / ".1.new").mkdir()
        tiers.make_generation(tmp_path, PASS, PASS, now_ms())
        assert [one.number for one in tiers.generations(tmp_path)] == [0, 1]
        tiers.put_aside_flat(tmp_path)
        assert Authority.open(tmp_path, PASS, now_ms).issue_endpoint(ENDPOINT)


class TestRotation:
    def test_a_new_root_is_trusted_beside_the_one_before(self, tmp_path: Path) -> None:
        before = Authority.create(tmp_path, PASS, now_ms)
        tiers.make_generation(tmp_path, PASS, PASS, now_ms())
        tiers.retire(tmp_path, now_ms() + 30 * DAY_MS)
        tiers.publish(tmp_path, now_ms())
        after = Authority.open(tmp_path, PASS, now_ms)
        assert len(x509.load_pem_x509_certificates(after.anchors_pem)) == 2
        assert before.anchors_pem in after.anchors_pem
        server = parse(after.issue_server(["localhost"], []).certificate_pem)
        assert before.signs_for(server) and after.signs_for(server)

    def test_the_number_of_roots_is_bounded(self, tmp_path: Path, authority: Authority) -> None:
        folder = tmp_path / str(GENERATIONS_MAX)
        folder.mkdir()
        (folder / "root.pem").write_bytes(authority.anchors_pem)
        (folder / "issuing.pem").write_bytes(authority.issuing_pem)
        with pytest.raises(AuthorityError, match="begin another home"):
            tiers.make_generation(tmp_path, PASS, PASS, now_ms())


class TestDirectory:
    def test_a_second_creation_is_refused(self, authority_directory: Path) -> None:
        before = (authority_directory / "1/issuing.pem").read_bytes()
        with pytest.raises(AuthorityError, match="holds an authority already"):
            Authority.create(authority_directory, PASS, now_ms)
        assert (authority_directory / "1/issuing.pem").read_bytes() == before

    def test_what_is_missing_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(AuthorityError, match="the first start makes one"):
            Authority.open(tmp_path, PASS, now_ms)
        with pytest.raises(AuthorityError, match=r"cannot be made.*No such file"):
            Authority.create(tmp_path / "none", PASS, now_ms)

    def test_another_passphrase_opens_nothing(
        self, authority_directory: Path, authority: Authority
    ) -> None:
        with pytest.raises(AuthorityError, match="passphrase"):
            Authority.open(authority_directory, b"another", now_ms)
        with pytest.raises(AuthorityError, match="passphrase"):
            authority.decrypt_key(b"nonsense")

    @pytest.mark.parametrize("name", ["issuing.pem", "root.pem", "former.json"])
    def test_what_is_damaged_is_named(self, tmp_path: Path, name: str) -> None:
        Authority.create(tmp_path, PASS, now_ms)
        (tmp_path / "1" / name).write_bytes(b"nonsense")
        with pytest.raises(AuthorityError, match=rf"{name} is damaged"):
            Authority.open(tmp_path, PASS, now_ms)
