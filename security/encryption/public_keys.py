"""Public keys that a device brings along: which ones the authority puts into a certificate."""

from __future__ import annotations

from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from security.encryption.certificates import AuthorityError
from security.limits import CERTIFICATE_REQUEST_BYTES_MAX, RSA_BITS_MAX, RSA_BITS_MIN

DeviceKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
_CURVES = ("secp256r1", "secp384r1")
_EXPONENT_MIN = 65_537


def from_request(csr: str) -> DeviceKey:
    """Return the key of a PKCS #10 request in PEM form whose signature proves its possession.

    Raises:
        AuthorityError: it is too long, cannot be parsed, is not signed with its own key, or the
            key is not acceptable.
    """
    try:
        request = x509.load_pem_x509_csr(_ascii(csr, "signing request"))
        proved = request.is_signature_valid
        key = request.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise AuthorityError(
            f"the signing request cannot be read ({error}); send a PKCS #10 request in PEM form,"
            " signed with SHA-256 or better"
        ) from None
    if not proved:
        raise AuthorityError(
            "the signing request is not signed with its own key; make it again on the device"
        )
    return _acceptable(key)


def from_text(public_key: str) -> DeviceKey:
    """Return a public key in PEM form (``BEGIN PUBLIC KEY``).

    Raises:
        AuthorityError: it is too long, cannot be parsed, or is not acceptable.
    """
    try:
        key = serialization.load_pem_public_key(_ascii(public_key, "public key"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise AuthorityError(
            f"the public key cannot be read ({error}); send it in PEM form"
        ) from None
    return _acceptable(key)


def _ascii(text: str, what: str) -> bytes:
    if len(text) > CERTIFICATE_REQUEST_BYTES_MAX:
        raise AuthorityError(f"the {what} is longer than {CERTIFICATE_REQUEST_BYTES_MAX} bytes")
    return text.encode("ascii")


def _acceptable(key: PublicKeyTypes) -> DeviceKey:
    if isinstance(key, rsa.RSAPublicKey):
        strong = RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX
        if strong and key.public_numbers().e >= _EXPONENT_MIN:
            return key
    elif isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return key
    raise AuthorityError(
        f"the key is not acceptable; use RSA of {RSA_BITS_MIN} to {RSA_BITS_MAX} bits or an EC key"
        " on P-256 or P-384"
    )
