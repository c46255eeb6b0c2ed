"""Signs how far the record goes, so that nobody can shorten it or write it anew unnoticed."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from security.aaa.chain import Head
from security.aaa.merkle import root
from security.ports import Checkpoint


@dataclass(frozen=True, slots=True)
class ChainCheckpoint:
    """A signed statement of how long one chain was, with a tree over what was new in it."""

    chain: int
    first: int
    """Number of the first entry in the tree; the last one is ``size``."""
    size: int
    head: str
    """Digest of the last entry, hex."""
    root: str
    """Of the tree over the entries, hex."""
    at: int
    """Milliseconds since 1970 UTC."""
    signature: str
    """Ed25519, base64."""


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
        return Checkpoint(size, head, at, self._signature(statement))

    def sign_chain(
        self, chain: int, head: Head, leaves: Sequence[bytes], at: int
    ) -> ChainCheckpoint:
        """Return the checkpoint of one chain; ``leaves`` are the hashes of its newest entries."""
        first, tree = head.size - len(leaves) + 1, root(leaves).hex()
        statement = f"borough chain\n{chain}\n{first}\n{head.size}\n{head.digest}\n{tree}\n{at}\n"
        return ChainCheckpoint(
            chain, first, head.size, head.digest, tree, at, self._signature(statement)
        )

    def _signature(self, statement: str) -> str:
        return base64.b64encode(self._key.sign(statement.encode())).decode()


def written(checkpoint: Checkpoint | ChainCheckpoint) -> bytes:
    """Return a checkpoint's fields as a line of JSON, its end included."""
    fields = asdict(checkpoint)
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode() + b"\n"
