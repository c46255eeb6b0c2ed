"""Certificates as the platform reads and hands them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from security.limits import RENEWAL_SHARE


class CertificateError(Exception):
    """The text is no certificate."""


class AuthorityError(Exception):
    """The authority cannot be opened or does not issue this; the message says what to change."""


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate that was just signed."""

    certificate_pem: bytes
    private_key_pem: bytes | None = field(repr=False)
    """PKCS8; None when the other side keeps its own key."""
    serial: str
    """Lower-case hexadecimal, without leading zeros."""
    fingerprint: str
    """SHA-256 of the DER form, lower-case hexadecimal."""
    not_after: int
    """Milliseconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class Presented:
    """What a certificate that somebody presents says of itself; the broker has verified it."""

    common_name: str
    """Empty when there is none, or more than one."""
    serial: str
    fingerprint: str
    not_after: int
    """Milliseconds since 1970 UTC."""


def read_presented(pem: bytes) -> Presented:
    """Return what the certificate says, in the same forms as `IssuedCertificate`.

    Raises:
        CertificateError: it cannot be parsed.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError as error:
        raise CertificateError(f"not a certificate in PEM form: {error}") from None
    return Presented(
        common_name=str(names[0].value) if len(names) == 1 else "",
        serial=serial_text(certificate),
        fingerprint=fingerprint(certificate),
        not_after=millis(certificate.not_valid_after_utc),
    )


def describe(
    certificate: x509.Certificate,
    private_key_pem: bytes | None,
    chain: Sequence[x509.Certificate] = (),
) -> IssuedCertificate:
    """Return the certificate in the form that is handed out, followed by its chain."""
    pem = [one.public_bytes(serialization.Encoding.PEM) for one in (certificate, *chain)]
    return IssuedCertificate(
        certificate_pem=b"".join(pem),
        private_key_pem=private_key_pem,
        serial=serial_text(certificate),
        fingerprint=fingerprint(certificate),
        not_after=millis(certificate.not_valid_after_utc),
    )


def serial_text(certificate: x509.Certificate) -> str:
    """Return the serial number as lower-case hexadecimal without leading zeros."""
    return format(certificate.serial_number, "x")


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of the DER form, lower-case hexadecimal."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def due_at(certificate: x509.Certificate) -> datetime:
    """Return when the certificate is to be renewed."""
    begun, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begun + (ends - begun) * RENEWAL_SHARE


def millis(moment: datetime) -> int:
    """Return milliseconds since 1970 UTC of an aware moment of whole seconds."""
    return int(moment.timestamp()) * 1_000
