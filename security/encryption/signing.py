"""Signing: the certificates of the tiers and what is issued below them, field by field.

Source: RFC 5280; subject and key forms of devices as cloud.iO v0.2 endpoints expect them.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier

from security.encryption.certificates import AuthorityError
from security.encryption.public_keys import DeviceKey
from security.limits import AUTHORITY_DAYS, ISSUING_DAYS

SigningKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_BACKDATED = timedelta(minutes=5)
"""A device whose clock is a little late must not find its certificate not yet valid."""
_HOST_CHARS_MAX = 253
_HOST = re.compile(r"[A-Za-z0-9]+(-+[A-Za-z0-9]+)*(\.[A-Za-z0-9]+(-+[A-Za-z0-9]+)*)*")


@dataclass(frozen=True, slots=True)
class Signer:
    """A certificate with its private key, and who vouches for it."""

    certificate: x509.Certificate
    key: SigningKey
    root: x509.Certificate

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """What a server sends after its own certificate: all but the root, which others have."""
        return () if self.certificate == self.root else (self.certificate,)

    def sign(
        self,
        subject: x509.Name,
        key: DeviceKey,
        alternatives: Sequence[x509.GeneralName],
        usage: ObjectIdentifier,
        now: datetime,
        life: timedelta,
    ) -> x509.Certificate:
        """Return a certificate for one use; it never outlives the signer's.

        Raises:
            AuthorityError: the signer's own certificate has ended.
        """
        not_after = min(now + life, self.certificate.not_valid_after_utc)
        if not_after <= now:
            raise AuthorityError(
                "the issuing authority has expired: make another with 'borough ca issue-issuing'"
            )
        return (
            _builder(subject, self.certificate.subject, key, now, not_after)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(_authority_id(self.certificate), critical=False)
            .sign(self.key, hashes.SHA256())
        )


def make_root(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    """Return the certificate of a root: below it one tier of authorities and no more."""
    # The random name keeps apart the authorities of two homes in one trust store.
    name = subject(f"Borough root {uuid.uuid4().hex[:8]}", "Borough")
    return (
        _builder(name, name, key.public_key(), now, now + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA384())
    )


def make_issuing(
    key: ec.EllipticCurvePrivateKey, root: x509.Certificate, root_key: SigningKey, now: datetime
) -> x509.Certificate:
    """Return the certificate of an issuing authority: below it no further authority.

    Raises:
        AuthorityError: the root has ended.
    """
    not_after = min(now + timedelta(days=ISSUING_DAYS), root.not_valid_after_utc)
    if not_after <= now:
        raise AuthorityError("the root has expired: make another with 'borough ca rotate'")
    name = subject(f"Borough issuing {uuid.uuid4().hex[:8]}", "Borough")
    return (
        _builder(name, root.subject, key.public_key(), now, not_after)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(_authority_id(root), critical=False)
        .sign(root_key, hashes.SHA384())
    )


def subject(common_name: str, organisation: str) -> x509.Name:
    """Return a name of two parts, in cloud.iO's order."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
        ]
    )


def server_names(names: Sequence[str], addresses: Sequence[str]) -> list[x509.GeneralName]:
    """Return what a server is called.

    Raises:
        AuthorityError: one is no host name or no address.
    """
    try:
        return [
            *(x509.DNSName(_host(name)) for name in names),
            *(x509.IPAddress(ip_address(address)) for address in addresses),
        ]
    except ValueError as error:
        raise AuthorityError(f"a server cannot have this name or address: {error}") from None


def life_of(days: float, days_max: float) -> timedelta:
    """Return a life in whole seconds, at least one.

    Raises:
        AuthorityError: it is longer than it may be, or none.
    """
    if not 0 < days <= days_max:
        raise AuthorityError(
            f"a certificate of this kind lives more than 0, at most {days_max:g} days"
        )
    return timedelta(seconds=max(1, round(days * 86_400)))


def moment(now_ms: int) -> datetime:
    """Return a whole second: a certificate knows no parts of one."""
    return datetime.fromtimestamp(now_ms // 1_000, UTC)


def pkcs8(key: SigningKey, passphrase: bytes | None) -> bytes:
    """Return a private key in PEM form, encrypted under a passphrase unless there is none."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        encryption = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


def _builder(
    name: x509.Name, issuer: x509.Name, key: DeviceKey, now: datetime, not_after: datetime
) -> x509.CertificateBuilder:
    key_id = x509.SubjectKeyIdentifier.from_public_key(key)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())  # 159 random bits
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(not_after)
        .add_extension(key_id, critical=False)
    )


def _authority_id(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


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


def _host(name: str) -> str:
    if len(name) > _HOST_CHARS_MAX or not _HOST.fullmatch(name):
        raise ValueError(f"{name[:64]!r} is no host name")
    return name
