"""Key ring: the one file of secrets that the platform's own processes share.

It holds the versions of the key-encryption key, an nkey seed per role, the root secret that PEM
files are encrypted with and other keys derived from, and the secret of local automation. It is
made at the first start and left out of every backup.
"""

from __future__ import annotations

import base64
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

import nkeys
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from security.encryption import keyfile
from security.encryption.envelope import Envelope
from security.encryption.keyfile import Contents, KeyFileError, VersionKey
from security.encryption.unlocking import Method, Opener, Unlock, nobody_asks
from security.limits import KEY_VERSIONS_MAX

_SECRET_BYTES = 32

KeyRingError = KeyFileError
"""The key file cannot be used; the message says why and what to do, and holds no secret."""


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


class KeyRing:
    """The keys of one home, in memory; safe from any thread. Made by `create` and `open`."""

    def __init__(self, path: Path, contents: Contents) -> None:
        self._path, self._contents = path, contents
        self._changing = threading.Lock()
        self._pairs = {role: _key_pair(role, contents.seeds.get(role)) for role in Role}

    @classmethod
    def create(cls, path: Path) -> KeyRing:
        """Make new keys, opened by the file itself, and write them; return once they are on disk.

        Raises:
            KeyRingError: the file exists, or cannot be written.
        """
        unlock = Unlock.by_file()
        contents = Contents(
            unlock=unlock,
            unlock_key=unlock.own_key(),
            current=1,
            keys={1: _new_version()},
            seeds={role.value: _new_seed(role) for role in Role},
            root=_new_secret(),
            cli="bor_" + _new_secret(),
        )
        keyfile.create(path, contents)
        return cls(path, contents)

    @classmethod
    def open(cls, path: Path, opener: Opener = nobody_asks) -> KeyRing:
        """Read the keys.

        Args:
            path: The key file.
            opener: Asked for what opens a ring that does not open by its file.

        Raises:
            KeyRingError: missing, readable by others than its owner, not as `create` writes it, or
                it does not open.
        """
        return cls(path, keyfile.read(path, opener))

    @classmethod
    def complete(cls, path: Path, opener: Opener = nobody_asks) -> KeyRing:
        """Read the keys of a home that an earlier version made, and add what this version needs.

        Returns once they are on disk; every key that is there stays.

        Raises:
            KeyRingError: as `open`, or the file cannot be written.
        """
        contents = keyfile.read(path, opener)
        missing = {role.value: _new_seed(role) for role in Role if role not in contents.seeds}
        if missing or contents.earlier:
            contents = replace(contents, seeds={**contents.seeds, **missing}, earlier=False)
            keyfile.replace(path, contents)
        return cls(path, contents)

    # -- secrets of the roles

    @property
    def ca_passphrase(self) -> bytes:
        """The root secret: what private keys in PEM files are encrypted with."""
        return self._contents.root.encode()

    def derived(self, purpose: str) -> bytes:
        """Return 32 bytes for one purpose, the same for as long as the home is.

        Source: RFC 5869, from the root secret's 256 random bits; another purpose tells nothing.
        """
        return HKDF(hashes.SHA256(), _SECRET_BYTES, None, f"borough {purpose}".encode()).derive(
            self.ca_passphrase
        )

    @property
    def cli(self) -> str:
        """The bearer secret by which the command line on this machine proves itself."""
        return self._contents.cli

    @property
    def record_key(self) -> Ed25519PrivateKey:
        """What checkpoints of the record are signed with.

        Derived from the secrets of the key file, so that one of an earlier version has it too.
        """
        secret = HKDF(hashes.SHA256(), _SECRET_BYTES, None, b"borough record checkpoints")
        return Ed25519PrivateKey.from_private_bytes(secret.derive(self.ca_passphrase))

    def seed(self, role: Role) -> str:
        """Return the role's nkey seed, ``SU…`` or ``SA…``."""
        return self._contents.seeds[role]

    def public(self, role: Role) -> str:
        """Return the role's public nkey, ``U…`` or ``A…``."""
        return str(self._pairs[role].public_key.decode())

    def sign(self, role: Role, data: bytes) -> bytes:
        """Return the role's Ed25519 signature of the data, 64 bytes."""
        return bytes(self._pairs[role].sign(data))

    # -- secrets of others

    def envelope(self, purpose: str) -> Envelope:
        """Return what seals and opens secrets of one purpose, always by the newest key."""
        return Envelope(self, purpose)

    def current(self) -> tuple[int, bytes]:
        """Return version and key that new secrets are sealed under."""
        contents = self._contents
        return contents.current, contents.keys[contents.current].key

    def key(self, version: int) -> bytes | None:
        """Return the key of a version, None when the ring has none.

        Another process may have rotated the ring since this one read it: the file is asked again.
        """
        found = self._contents.keys.get(version)
        if found is None and version > self._contents.current:
            self._reread()
            found = self._contents.keys.get(version)
        return None if found is None else found.key

    # -- versions

    @property
    def version(self) -> int:
        """The version that new secrets are sealed under."""
        return self._contents.current

    @property
    def versions(self) -> Mapping[int, int]:
        """When each version was made, milliseconds since 1970 UTC; oldest first."""
        return {number: v.made_at for number, v in sorted(self._contents.keys.items())}

    def rotate(self) -> int:
        """Make a new version and seal with it from now on; return its number, once on disk.

        What is sealed under earlier versions goes on to open.

        Raises:
            KeyRingError: there are KEY_VERSIONS_MAX versions, or the file cannot be written.
        """
        with self._changing:
            contents = self._contents
            if len(contents.keys) >= KEY_VERSIONS_MAX:
                raise KeyRingError(
                    f"the key ring holds {KEY_VERSIONS_MAX} versions; remove one that nothing is"
                    " sealed under with: borough keys forget"
                )
            number = max(contents.keys) + 1
            keys = {**contents.keys, number: _new_version()}
            self._store(replace(contents, current=number, keys=keys, earlier=False))
        return number

    def forget(self, number: int) -> None:
        """Destroy a version: what is still sealed under it, in old backups too, is lost for ever.

        Raises:
            KeyRingError: it is the current one, or unknown, or the file cannot be written.
        """
        with self._changing:
            contents = self._contents
            if number == contents.current:
                raise KeyRingError(f"version {number} is the current one; rotate first")
            if number not in contents.keys:
                raise KeyRingError(f"the key ring has no version {number}")
            keys = {known: key for known, key in contents.keys.items() if known != number}
            self._store(replace(contents, keys=keys, earlier=False))

    # -- unlocking

    @property
    def method(self) -> Method:
        """By what the ring opens."""
        return self._contents.unlock.method

    @property
    def unlock_key(self) -> bytes:
        """What a child process opens the ring with; keep it off disks, arguments, environments."""
        return self._contents.unlock_key

    def lock_with(self, unlock: Unlock, passphrase: str = "") -> None:
        """Have the ring open in another way from now on; returns once it is on disk.

        Args:
            unlock: The other way.
            passphrase: What its key is derived from; of no meaning for the method FILE.

        Raises:
            UnlockingError: the passphrase can be none.
            KeyRingError: the file cannot be written.
        """
        own = unlock.method is Method.FILE
        key = unlock.own_key() if own else unlock.key_of(passphrase)
        with self._changing:
            self._store(replace(self._contents, unlock=unlock, unlock_key=key, earlier=False))

    def _store(self, contents: Contents) -> None:
        keyfile.replace(self._path, contents)
        self._contents = contents

    def _reread(self) -> None:
        """Take over versions that another process made; what cannot be read changes nothing."""
        with self._changing:
            try:
                fresh = keyfile.read(self._path, lambda _: self._contents.unlock_key)
            except KeyFileError:  # who asked for the version says that it is missing
                return
            if not fresh.earlier:
                self._contents = fresh

    def __repr__(self) -> str:
        return "<KeyRing>"


def _new_version() -> VersionKey:
    return VersionKey(os.urandom(_SECRET_BYTES), time.time_ns() // 1_000_000)


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
