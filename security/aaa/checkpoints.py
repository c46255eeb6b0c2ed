"""Signs how far the record goes, so that nobody can shorten it or write it anew unnoticed."""

from __future__ import annotations

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from security.ports import Checkpoint


class Signer:
    """Makes checkpoints with the key of one home."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @property
    def public_pem(self) -> bytes:
        """The public key, PEM: what a verifier needs beside the record."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def fingerprint(self) -> str:
        """Half of the public key's SHA-256, hex: what a verifier says and a person compares."""
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return hashlib.sha256(raw).hexdigest()[:32]

    def sign(self, size: int, head: str, at: int) -> Checkpoint:
        """Return the checkpoint of a record with ``size`` entries whose last digest is ``head``."""
        statement = f"borough record\n{size}\n{head}\n{at}\n"
        signature = base64.b64encode(self._key.sign(statement.encode())).decode()
        return Checkpoint(size, head, at, signature)
