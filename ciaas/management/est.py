"""What devices and the platform say to each other in EST: base64 of PKCS #10 and PKCS #7.

Source: RFC 7030, section 4, with the encodings as RFC 8951 puts them right: base64 without a
Content-Transfer-Encoding, white space ignored.
"""

from __future__ import annotations

import base64
import binascii

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from ciaas.management.bundle import ProvisioningError
from security.limits import CERTIFICATE_REQUEST_BYTES_MAX

REQUEST_TYPE = "application/pkcs10"
CERTIFICATES_TYPE = "application/pkcs7-mime; smime-type=certs-only"
ATTRIBUTES_TYPE = "application/csrattrs"

_EC_PUBLIC_KEY = "06072a8648ce3d0201"
_P256 = "06082a8648ce3d030107"
_ECDSA_SHA256 = "06082a8648ce3d040302"
_ATTRIBUTES = bytes.fromhex(
    # SEQUENCE { SEQUENCE { id-ecPublicKey, SET { secp256r1 } }, ecdsa-with-SHA256 }
    f"3021 3015{_EC_PUBLIC_KEY}310a{_P256} {_ECDSA_SHA256}".replace(" ", "")
)


def attributes() -> bytes:
    """Return what a request had best be like: a key on P-256, signed with SHA-256."""
    return base64.b64encode(_ATTRIBUTES)


def certs_only(pem: bytes) -> bytes:
    """Return certificates as the body of an answer."""
    certificates = x509.load_pem_x509_certificates(pem)
    made = pkcs7.serialize_certificates(certificates, serialization.Encoding.DER)
    return base64.b64encode(made)


def request_in(body: bytes) -> x509.CertificateSigningRequest:
    """Return the signing request that a body holds.

    Raises:
        ProvisioningError: it is none, or too long.
    """
    if len(body) > 2 * CERTIFICATE_REQUEST_BYTES_MAX:
        raise ProvisioningError(
            f"a signing request has at most {CERTIFICATE_REQUEST_BYTES_MAX} bytes"
        )
    try:
        der = base64.b64decode(b"".join(body.split()), validate=True)
        return x509.load_der_x509_csr(der)
    except (binascii.Error, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ProvisioningError(
            f"the body is no signing request ({error}); send the base64 of a PKCS #10 request in "
            "DER form"
        ) from None


def as_pem(request: x509.CertificateSigningRequest) -> str:
    """Return the request in PEM form."""
    return request.public_bytes(serialization.Encoding.PEM).decode()


def check_same(request: x509.CertificateSigningRequest, current: x509.Certificate) -> None:
    """Make sure that a renewal asks for the names that the certificate has (section 4.2.2).

    A request without alternative names asks for those that there are.

    Raises:
        ProvisioningError: it asks for others.
    """
    try:
        names, own = _alternatives(request), _alternatives(current)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ProvisioningError(f"the request's extensions cannot be read: {error}") from None
    if set(request.subject) != set(current.subject) or (names is not None and names != own):
        raise ProvisioningError(
            "a renewal asks for the subject and the alternative names of the certificate it "
            f"renews: {current.subject.rfc4514_string()}"
        )


def _alternatives(
    one: x509.Certificate | x509.CertificateSigningRequest,
) -> x509.SubjectAlternativeName | None:
    try:
        return one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
