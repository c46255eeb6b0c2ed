"""Named keys: encrypt, decrypt, sign and verify for applications that never see the key."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from security.encryption.envelope import Envelope
from security.encryption.named.ports import KeyVersion, Make, NamedKey, NamedKeyStore, Secret, Use
from security.limits import KEY_CONTEXT_CHARS_MAX, KEY_INPUT_BYTES_MAX

PURPOSE = "named keys"
"""What their secrets are sealed for under the key ring."""
NAME_FORM = r"[a-z][a-z0-9-]{0,62}"
_ENCRYPTED, _SIGNED = "bor-enc", "bor-sig"
_KEY_BYTES, _SALT_BYTES, _NONCE_BYTES = 32, 16, 12
_OUTPUT = re.compile(rf"(bor-enc|bor-sig)\.({NAME_FORM})\.([1-9][0-9]{{0,8}})\.([A-Za-z0-9_=-]*)")


class KeyUseRefused(Exception):
    """The key does not do this; the message says why and holds no secret."""


class KeyAtRest(KeyUseRefused):
    """The key is disabled."""


class Used(NamedTuple):
    """What came of a use, and which version did it."""

    output: bytes
    version: int


class NamedKeys:
    """The keys of all projects; safe from any thread. Who may use them is asked elsewhere.

    Args:
        store: Where they lie, sealed.
        envelope: Of the key ring, for `PURPOSE`.
        clock_ms: Milliseconds since 1970 UTC.
    """

    def __init__(
        self, store: NamedKeyStore, envelope: Envelope, clock_ms: Callable[[], int]
    ) -> None:
        self._store, self._envelope, self._clock_ms = store, envelope, clock_ms

    def create(self, project: int, name: str, use: Use, user: int) -> NamedKey:
        """Make a key with its first version.

        Raises:
            Conflict: the project has one of that name, or too many.
        """
        return self._store.add(project, name, use, user, self._clock_ms(), self._maker(use))

    def rotate(self, key: NamedKey) -> NamedKey:
        """Make a new version, which encrypts and signs from now on; the earlier ones go on to read.

        Raises:
            Missing, Conflict: it went away; it has as many versions as there may be.
        """
        return self._store.add_version(key.id, self._clock_ms(), self._maker(key.use))

    def disable(self, key: NamedKey, disabled: bool) -> NamedKey:
        """Have a key refuse every use, or serve again."""
        return self._store.disable(key.id, disabled)

    def named(self, name: str) -> Sequence[NamedKey]:
        """Return the keys of that name, of all projects."""
        return self._store.named(name)

    def keys(self, projects: Sequence[int]) -> Sequence[NamedKey]:
        """Return all keys of some projects, ordered by project and name."""
        return self._store.keys(projects)

    def encrypt(self, key: NamedKey, clear: bytes, context: str) -> Used:
        """Return a text that carries the key's name and version.

        Each text has a key of its own, derived from the version's by a random salt, so that a key
        may encrypt without a bound: random nonces under one key would allow 2^32 texts.

        Args:
            key: For `Use.ENCRYPT`.
            clear: At most KEY_INPUT_BYTES_MAX bytes.
            context: What the text belongs to; it opens with the same context alone.

        Raises:
            KeyUseRefused: the key is disabled or for signing, or the input is too long.

        Source: NIST SP 800-38D, section 8.3; RFC 5869.
        """
        version = _usable(key, Use.ENCRYPT).current
        _check_input(clear, context)
        salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
        cipher = AESGCM(_text_key(self._secret(key, version), salt))
        sealed = cipher.encrypt(nonce, clear, _bound(key, version, context))
        return Used(_output(_ENCRYPTED, key, version, salt + nonce + sealed), version.number)

    def decrypt(self, key: NamedKey, text: str, context: str) -> Used:
        """Return what `encrypt` was given.

        Raises:
            KeyUseRefused: the key is disabled or for signing; the text is of another key or
                context, or damaged.
        """
        _usable(key, Use.ENCRYPT)
        version, data = _input(key, _ENCRYPTED, text)
        salt, rest = data[:_SALT_BYTES], data[_SALT_BYTES:]
        cipher = AESGCM(_text_key(self._secret(key, version), salt))
        nonce, sealed = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        try:
            clear = cipher.decrypt(nonce, sealed, _bound(key, version, context))
        except (InvalidTag, ValueError):
            raise KeyUseRefused(
                f"the ciphertext does not open: it was made by {key.name} with another context, or"
                " is damaged"
            ) from None
        return Used(clear, version.number)

    def sign(self, key: NamedKey, message: bytes) -> Used:
        """Return a text that carries name, version and the Ed25519 signature of the message itself.

        Raises:
            KeyUseRefused: the key is disabled or for encrypting, or the message is too long.
        """
        version = _usable(key, Use.SIGN).current
        _check_input(message, "")
        signer = Ed25519PrivateKey.from_private_bytes(self._secret(key, version))
        return Used(_output(_SIGNED, key, version, signer.sign(message)), version.number)

    def verify(self, key: NamedKey, message: bytes, signature: str) -> tuple[bool, int]:
        """Tell whether `sign` made this of the message, and by which version.

        Raises:
            KeyUseRefused: the key is disabled or for encrypting, or it is no signature of this key.
        """
        _usable(key, Use.SIGN)
        _check_input(message, "")
        version, data = _input(key, _SIGNED, signature)
        assert version.public is not None
        signer = Ed25519PublicKey.from_public_bytes(base64.b64decode(version.public))
        try:
            signer.verify(data, message)
        except InvalidSignature:
            return False, version.number
        return True, version.number

    def _secret(self, key: NamedKey, version: KeyVersion) -> bytes:
        return self._envelope.open(version.sealed, f"{key.id}:{version.number}")

    def _maker(self, use: Use) -> Make:
        def make(place: str) -> Secret:
            secret, public = os.urandom(_KEY_BYTES), None
            if use is Use.SIGN:
                pair = Ed25519PrivateKey.from_private_bytes(secret)
                public = base64.b64encode(pair.public_key().public_bytes_raw()).decode()
            return Secret(self._envelope.seal(secret, place), public)

        return make


def _usable(key: NamedKey, use: Use) -> NamedKey:
    if key.disabled:
        raise KeyAtRest(f"the key {key.name} is disabled; who holds CONFIGURE on it can enable it")
    if key.use is not use:
        raise KeyUseRefused(f"the key {key.name} is there to {key.use.value}, not to {use.value}")
    return key


def _check_input(data: bytes, context: str) -> None:
    if len(data) > KEY_INPUT_BYTES_MAX:
        raise KeyUseRefused(
            f"at most {KEY_INPUT_BYTES_MAX:,} bytes at a time; encrypt a key of your own with this"
            " one, or sign a digest"
        )
    if len(context) > KEY_CONTEXT_CHARS_MAX:
        raise KeyUseRefused(f"a context has at most {KEY_CONTEXT_CHARS_MAX:,} characters")


def _text_key(secret: bytes, salt: bytes) -> bytes:
    return HKDF(hashes.SHA256(), _KEY_BYTES, salt, b"borough named key, one text").derive(secret)


def _bound(key: NamedKey, version: KeyVersion, context: str) -> bytes:
    return f"borough named key\0{key.id}\0{version.number}\0{context}".encode()


def _output(kind: str, key: NamedKey, version: KeyVersion, data: bytes) -> bytes:
    letters = base64.urlsafe_b64encode(data).decode()
    return f"{kind}.{key.name}.{version.number}.{letters}".encode()


def _input(key: NamedKey, kind: str, text: str) -> tuple[KeyVersion, bytes]:
    found = _OUTPUT.fullmatch(text)
    what = "ciphertext" if kind == _ENCRYPTED else "signature"
    if found is None or found[1] != kind:
        raise KeyUseRefused(f"this is no {what} of a named key; it begins with {kind}.")
    if found[2] != key.name:
        raise KeyUseRefused(f"this {what} was made by the key {found[2]}, not by {key.name}")
    version = key.version(int(found[3]))
    if version is None:
        raise KeyUseRefused(f"the key {key.name} has no version {found[3]}; it is of another key")
    try:
        return version, base64.b64decode(found[4], altchars=b"-_", validate=True)
    except binascii.Error:
        raise KeyUseRefused(f"this {what} is damaged: it is no base64url") from None
