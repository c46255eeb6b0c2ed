"""Key ring: the one file of secrets that the platform's own processes share.

It holds an nkey seed per role, the passphrase of the authority's key and the secret of local
automation; it is made at the first start and left out of every backup.
"""

from __future__ import annotations

import base64
import os
from enum import StrEnum
from pathlib import Path
from typing import Literal

import msgspec
import nkeys
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from security.encryption.private_file import (
    PrivateFileError,
    read_private,
    replace_private,
    write_private,
)
from security.limits import KEY_FILE_BYTES_MAX

_SECRET_BYTES = 32


class Role(StrEnum):
    """Holders of an nkey."""

    CORE = "core"
    FIELD = "field"
    COMPOSE = "compose"
    SYS = "sys"
    """Supervision of the broker, in its system account."""
    AUTH = "auth"
    """Answers the broker's authentication callout."""
    ISSUER = "issuer"
    """The account that signs those answers; every other role is a user."""


class KeyRingError(Exception):
    """The key file cannot be used; the message says why and what to do, and holds no secret."""


class KeyRing:
    """The keys of one home, in memory. Made by `create` and `open`."""

    def __init__(self, document: _Document) -> None:
        self._document = document
        self._pairs = {role: _key_pair(role, document.seeds.get(role)) for role in Role}

    @classmethod
    def create(cls, path: Path) -> KeyRing:
        """Make new keys and write them; return once they are on disk.

        Raises:
            KeyRingError: the file exists, or cannot be written.
        """
        document = _Document(
            format=1,
            seeds={role.value: _new_seed(role) for role in Role},
            ca_passphrase=_new_secret(),
            cli="bor_" + _new_secret(),
        )
        try:
            write_private(path, msgspec.json.format(msgspec.json.encode(document), indent=2))
        except PrivateFileError as error:
            raise KeyRingError(str(error)) from error
        return cls(document)

    @classmethod
    def open(cls, path: Path) -> KeyRing:
        """Read the keys.

        Raises:
            KeyRingError: missing, readable by others than its owner, or not as `create` writes it.
        """
        return cls(_read(path))

    @classmethod
    def complete(cls, path: Path) -> KeyRing:
        """Read the keys of a home that an earlier version made, and add those of newer roles.

        Returns once they are on disk; every key that is there stays.

        Raises:
            KeyRingError: as `open`, or the file cannot be written.
        """
        document = _read(path)
        missing = {role.value for role in Role} - document.seeds.keys()
        if missing:
            added = {role.value: _new_seed(role) for role in Role if role.value in missing}
            document = msgspec.structs.replace(document, seeds=document.seeds | added)
            try:
                replace_private(path, msgspec.json.format(msgspec.json.encode(document), indent=2))
            except PrivateFileError as error:
                raise KeyRingError(str(error)) from error
        return cls(document)

    @property
    def ca_passphrase(self) -> bytes:
        """What the authority's private keys are encrypted with."""
        return self._document.ca_passphrase.encode()

    def derived(self, purpose: str) -> bytes:
        """Return 32 bytes for one purpose, the same for as long as the key file is.

        Source: RFC 5869, from the passphrase's 256 random bits; another purpose tells nothing.
        """
        return HKDF(hashes.SHA256(), _SECRET_BYTES, None, f"borough {purpose}".encode()).derive(
            self.ca_passphrase
        )

    @property
    def cli(self) -> str:
        """The bearer secret by which the command line on this machine proves itself."""
        return self._document.cli

    @property
    def record_key(self) -> Ed25519PrivateKey:
        """What checkpoints of the record are signed with.

        Derived from the secrets of the key file, so that one of an earlier version has it too.
        """
        secret = HKDF(hashes.SHA256(), _SECRET_BYTES, None, b"borough record checkpoints")
        return Ed25519PrivateKey.from_private_bytes(secret.derive(self.ca_passphrase))

    def seed(self, role: Role) -> str:
        """Return the role's nkey seed, ``SU…`` or ``SA…``."""
        return self._document.seeds[role]

    def public(self, role: Role) -> str:
        """Return the role's public nkey, ``U…`` or ``A…``."""
        return str(self._pairs[role].public_key.decode())

    def sign(self, role: Role, data: bytes) -> bytes:
        """Return the role's Ed25519 signature of the data, 64 bytes."""
        return bytes(self._pairs[role].sign(data))

    def __repr__(self) -> str:
        return "<KeyRing>"


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    format: Literal[1]
    seeds: dict[str, str]
    ca_passphrase: str
    cli: str


def _read(path: Path) -> _Document:
    try:
        data = read_private(path, KEY_FILE_BYTES_MAX)
    except PrivateFileError as error:
        raise KeyRingError(str(error)) from error
    try:
        return msgspec.json.decode(data, type=_Document)
    except msgspec.DecodeError as error:
        raise KeyRingError(
            f"{path} is no key file ({error}); restore the file of this home"
        ) from None


def _prefix(role: Role) -> int:
    return int(nkeys.PREFIX_BYTE_ACCOUNT if role is Role.ISSUER else nkeys.PREFIX_BYTE_USER)


def _new_seed(role: Role) -> str:
    return str(nkeys.encode_seed(os.urandom(_SECRET_BYTES), _prefix(role)).decode())


def _new_secret() -> str:
    return base64.urlsafe_b64encode(os.urandom(_SECRET_BYTES)).decode().rstrip("=")


def _key_pair(role: Role, seed: str | None) -> nkeys.KeyPair:
    """Return the pair of a seed. The checksum is compared here, since nkeys never does it."""
    problem = KeyRingError(f"the key file holds no valid seed of the role '{role}'; restore it")
    if seed is None:
        raise problem
    try:
        prefix, raw = nkeys.decode_seed(seed.encode())
        intact = nkeys.encode_seed(raw, prefix).decode() == seed and prefix == _prefix(role)
    except (nkeys.NkeysError, ValueError):
        raise problem from None
    if not intact:
        raise problem
    return nkeys.from_seed(seed.encode())
