"""Authority: the platform's own certificate authority, for devices, the broker and the platform.

Source: RFC 5280; subject and key forms as cloud.iO v0.2 endpoints expect them.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from security.encryption.certificates import AuthorityError, IssuedCertificate, describe
from security.encryption.private_file import PrivateFileError, read_private, write_private
from security.encryption.public_keys import DeviceKey, from_request, from_text
from security.limits import (
    AUTHORITY_DAYS,
    DEVICE_CERTIFICATE_DAYS,
    DEVICE_CERTIFICATE_DAYS_MAX,
    KEY_FILE_BYTES_MAX,
    RSA_BITS_MIN,
    SERVER_CERTIFICATE_DAYS,
    SERVER_CERTIFICATE_DAYS_MAX,
    SERVER_NAMES_MAX,
)

_CERTIFICATE_FILE = "ca.pem"
_KEY_FILE = "ca.key"
_AUTHORITY_RSA_BITS = 3_072
_BACKDATED = timedelta(minutes=5)
"""A device whose clock is a little late must not find its certificate not yet valid."""
_HOST_CHARS_MAX = 253
_HOST = re.compile(r"[A-Za-z0-9]+(-+[A-Za-z0-9]+)*(\.[A-Za-z0-9]+(-+[A-Za-z0-9]+)*)*")
_ROLE = re.compile(r"[a-z][a-z0-9-]{0,31}")


class Authority:
    """Signs certificates with the key of one directory; safe from any thread.

    Made by `create` and `open`. The key lies encrypted on disk, in clear in memory alone.
    """

    def __init__(
        self,
        certificate: x509.Certificate,
        key: rsa.RSAPrivateKey,
        passphrase: bytes,
        clock_ms: Callable[[], int],
    ) -> None:
        self._certificate = certificate
        self._key = key
        self._passphrase = passphrase
        self._clock_ms = clock_ms

    @classmethod
    def create(cls, directory: Path, passphrase: bytes, clock_ms: Callable[[], int]) -> Authority:
        """Make the authority's key and certificate; return once both are on disk.

        Raises:
            AuthorityError: the directory holds one already, or cannot be written.
        """
        if (directory / _CERTIFICATE_FILE).exists():
            raise AuthorityError(f"{directory} holds an authority already; open it instead")
        key = rsa.generate_private_key(65_537, _AUTHORITY_RSA_BITS)
        certificate = _self_signed(key, _moment(clock_ms()))
        try:
            # A key without its certificate is what a crash in here left; it has signed nothing.
            (directory / _KEY_FILE).unlink(missing_ok=True)
            write_private(directory / _KEY_FILE, _encrypted(key, passphrase))
            pem = certificate.public_bytes(serialization.Encoding.PEM)
            write_private(directory / _CERTIFICATE_FILE, pem)
        except (PrivateFileError, OSError) as error:
            raise AuthorityError(f"the authority cannot be made: {error}") from error
        return cls(certificate, key, passphrase, clock_ms)

    @classmethod
    def open(cls, directory: Path, passphrase: bytes, clock_ms: Callable[[], int]) -> Authority:
        """Read the authority of a directory.

        Raises:
            AuthorityError: missing, damaged, readable by others, or another passphrase's.
        """
        try:
            key_pem = read_private(directory / _KEY_FILE, KEY_FILE_BYTES_MAX)
            certificate_pem = (directory / _CERTIFICATE_FILE).read_bytes()
        except (PrivateFileError, OSError) as error:
            raise AuthorityError(f"the authority cannot be opened: {error}") from error
        try:
            key = serialization.load_pem_private_key(key_pem, passphrase)
            certificate = x509.load_pem_x509_certificate(certificate_pem)
        except (ValueError, TypeError) as error:
            raise AuthorityError(
                f"the authority in {directory} cannot be opened with the passphrase of this home's"
                " key file, or is damaged; restore both from the same home"
            ) from error
        if not isinstance(key, rsa.RSAPrivateKey) or certificate.public_key() != key.public_key():
            raise AuthorityError(
                f"key and certificate in {directory} do not belong together; restore both"
            )
        return cls(certificate, key, passphrase, clock_ms)

    @property
    def certificate_pem(self) -> bytes:
        """The authority's certificate, which devices and clients trust."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue_endpoint(
        self,
        endpoint: str,
        *,
        public_key: str | None = None,
        csr: str | None = None,
        days: float = DEVICE_CERTIFICATE_DAYS,
    ) -> IssuedCertificate:
        """Issue a client certificate with the subject ``CN=<endpoint>,O=client``.

        Args:
            endpoint: UUID.
            public_key: PEM; the device keeps the private key.
            csr: PEM; as above, and the device has proved that it has the key. The subject asked
                for is replaced.
            days: Life, at most DEVICE_CERTIFICATE_DAYS_MAX.

        Returns:
            With a private key (RSA, PKCS8 without passphrase) only when neither key nor request
            was given.

        Raises:
            AuthorityError: the UUID, the key, the request or the life is not acceptable.
        """
        try:
            common_name = str(uuid.UUID(endpoint))
        except ValueError:
            raise AuthorityError(f"{endpoint[:64]!r} is no UUID of an endpoint") from None
        if public_key is not None and csr is not None:
            raise AuthorityError("give a public key or a signing request, not both")
        private_key_pem = None
        key: DeviceKey
        if csr is not None:
            key = from_request(csr)
        elif public_key is not None:
            key = from_text(public_key)
        else:
            private_key = rsa.generate_private_key(65_537, RSA_BITS_MIN)
            private_key_pem = _pkcs8(private_key, serialization.NoEncryption())
            key = private_key.public_key()
        # Verifiers of today want a subject alternative name; the subject itself stays cloud.iO's.
        names = [x509.UniformResourceIdentifier(f"urn:uuid:{common_name}")]
        certificate = self._sign(
            _subject(common_name, "client"),
            key,
            names,
            ExtendedKeyUsageOID.CLIENT_AUTH,
            _life(days, DEVICE_CERTIFICATE_DAYS_MAX),
        )
        return describe(certificate, private_key_pem)

    def issue_server(
        self,
        names: Sequence[str],
        addresses: Sequence[str],
        days: float = SERVER_CERTIFICATE_DAYS,
    ) -> IssuedCertificate:
        """Issue a server certificate; its key (EC P-256) is encrypted, see `decrypt_key`.

        Args:
            names: Host names, as clients will ask for them.
            addresses: IP addresses, likewise.
            days: Life, at most SERVER_CERTIFICATE_DAYS_MAX.

        Raises:
            AuthorityError: a name or address is bad, there is none or there are too many.
        """
        if not 0 < len(names) + len(addresses) <= SERVER_NAMES_MAX:
            raise AuthorityError(f"a server has 1 to {SERVER_NAMES_MAX} names and addresses")
        try:
            alternatives: list[x509.GeneralName] = [x509.DNSName(_host(name)) for name in names]
            alternatives += [x509.IPAddress(ip_address(address)) for address in addresses]
        except ValueError as error:
            raise AuthorityError(f"a server cannot have this name or address: {error}") from None
        return self._issue_with_key(
            _subject("borough", "server"),
            alternatives,
            ExtendedKeyUsageOID.SERVER_AUTH,
            _life(days, SERVER_CERTIFICATE_DAYS_MAX),
        )

    def issue_platform(self, role: str, days: float = SERVER_CERTIFICATE_DAYS) -> IssuedCertificate:
        """Issue a client certificate ``CN=borough-<role>,O=platform``; its key is encrypted.

        Raises:
            AuthorityError: the role is no short lower-case word.
        """
        if not _ROLE.fullmatch(role):
            raise AuthorityError(f"{role[:64]!r} is no role; use a short lower-case word")
        return self._issue_with_key(
            _subject(f"borough-{role}", "platform"),
            [x509.UniformResourceIdentifier(f"urn:borough:{role}")],
            ExtendedKeyUsageOID.CLIENT_AUTH,
            _life(days, SERVER_CERTIFICATE_DAYS_MAX),
        )

    def decrypt_key(self, pem: bytes) -> bytes:
        """Return a private key that this authority encrypted, in clear PKCS8; keep it off disks.

        Raises:
            AuthorityError: it was encrypted with another passphrase, or is damaged.
        """
        try:
            key = serialization.load_pem_private_key(pem, self._passphrase)
        except (ValueError, TypeError):
            raise AuthorityError(
                "the private key was not encrypted with this home's passphrase; issue it again"
            ) from None
        return key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def _issue_with_key(
        self,
        subject: x509.Name,
        alternatives: Sequence[x509.GeneralName],
        usage: ObjectIdentifier,
        life: timedelta,
    ) -> IssuedCertificate:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(subject, key.public_key(), alternatives, usage, life)
        return describe(certificate, _encrypted(key, self._passphrase))

    def _sign(
        self,
        subject: x509.Name,
        key: DeviceKey,
        alternatives: Sequence[x509.GeneralName],
        usage: ObjectIdentifier,
        life: timedelta,
    ) -> x509.Certificate:
        now = _moment(self._clock_ms())
        not_after = min(now + life, self._certificate.not_valid_after_utc)
        if not_after <= now:
            raise AuthorityError("the authority has expired; make a new one and enrol again")
        authority_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            _builder(subject, self._certificate.subject, key, now, not_after)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(authority_id, critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _self_signed(key: rsa.RSAPrivateKey, now: datetime) -> x509.Certificate:
    # The random name keeps apart the authorities of two homes in one trust store.
    subject = _subject(f"Borough authority {uuid.uuid4().hex[:8]}", "Borough")
    return (
        _builder(subject, subject, key.public_key(), now, now + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: DeviceKey, now: datetime, not_after: datetime
) -> x509.CertificateBuilder:
    key_id = x509.SubjectKeyIdentifier.from_public_key(key)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(not_after)
        .add_extension(key_id, critical=False)
    )


def _key_usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(common_name: str, organisation: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
        ]
    )


def _host(name: str) -> str:
    if len(name) > _HOST_CHARS_MAX or not _HOST.fullmatch(name):
        raise ValueError(f"{name[:64]!r} is no host name")
    return name


def _life(days: float, days_max: int) -> timedelta:
    if not 0 < days <= days_max:
        raise AuthorityError(
            f"a certificate of this kind lives more than 0, at most {days_max} days"
        )
    return timedelta(seconds=max(1, round(days * 86_400)))


def _moment(now_ms: int) -> datetime:
    """Return a whole second: a certificate knows no parts of one."""
    return datetime.fromtimestamp(now_ms // 1_000, UTC)


def _encrypted(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, passphrase: bytes) -> bytes:
    return _pkcs8(key, serialization.BestAvailableEncryption(passphrase))


def _pkcs8(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    encryption: serialization.KeySerializationEncryption,
) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
