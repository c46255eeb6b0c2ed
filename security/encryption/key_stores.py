"""Key stores for Java: PKCS #12, which Java reads under the name JKS too since its version 8.

Source: RFC 7292; that a trust store's entries carry Oracle's attribute of trusted certificates.
"""

from __future__ import annotations

import secrets
import string

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12

_LETTERS = string.ascii_letters + string.digits
_PASSWORD_CHARS = 24
_ROUNDS = 10_000
"""As Java's own key stores have; the password beside the store is random and not guessed."""


def new_password() -> str:
    """Return a password that needs no escapes in any file."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_PASSWORD_CHARS))


def client_store(key_pem: str, chain_pem: str, password: str) -> bytes:
    """Return a store of a private key with its certificate and those above it."""
    key = serialization.load_pem_private_key(key_pem.encode(), None)
    own, *above = x509.load_pem_x509_certificates(chain_pem.encode())
    assert isinstance(key, rsa.RSAPrivateKey), "devices' keys that are made here are RSA"
    return pkcs12.serialize_key_and_certificates(b"client", key, own, above, _encryption(password))


def trust_store(anchors_pem: str, password: str) -> bytes:
    """Return a store of the certificates that are trusted."""
    anchors = x509.load_pem_x509_certificates(anchors_pem.encode())
    entries = [
        pkcs12.PKCS12Certificate(anchor, f"authority{number}".encode())
        for number, anchor in enumerate(anchors)
    ]
    return pkcs12.serialize_java_truststore(entries, _encryption(password))


def _encryption(password: str) -> serialization.KeySerializationEncryption:
    return (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(_ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(password.encode())
    )
