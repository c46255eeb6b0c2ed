"""Envelope encryption: short secrets that have to be used again, encrypted at rest.

::

    secret ── data key of its own (AES-256-GCM) ──> body
    data key ── key-encryption key, version n ────> wrapped        text: v2.n.wrapped.body

A rotation of the ring wraps data keys anew and leaves bodies alone. Both parts are bound to the
purpose and the place of the secret, such as the row it lies in, and open nowhere else.
Source: NIST SP 800-38D (GCM), SP 800-57 part 1 (key-encryption keys).
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_FORM = "v2"
_EARLIER = "v1."


class SealingError(Exception):
    """A sealed secret cannot be opened: another key, another place, or damage."""


class Keys(Protocol):
    """The key-encryption keys of a ring."""

    def current(self) -> tuple[int, bytes]:
        """Return version and key that new secrets are sealed under."""
        ...

    def key(self, version: int) -> bytes | None:
        """Return the key of a version, None when the ring has none."""
        ...

    def derived(self, purpose: str) -> bytes:
        """Return the key that texts of the earlier form of this purpose were sealed under."""
        ...


class Envelope:
    """Seals and opens the secrets of one purpose; safe from any thread."""

    def __init__(self, keys: Keys, purpose: str) -> None:
        self._keys, self._purpose = keys, purpose

    def seal(self, secret: bytes, place: str) -> str:
        """Return the secret as text that may lie on a disk."""
        version, key = self._keys.current()
        return sealed_under(version, key, secret, f"{self._purpose}\0{place}")

    def open(self, text: str, place: str) -> bytes:
        """Return what `seal` was given.

        Raises:
            SealingError: it is none of ours, was sealed for another place, or its key is gone.
        """
        if text.startswith(_EARLIER):
            return self._open_earlier(text, place)
        parts = _split(text)
        return opened_under(self._key(parts), text, f"{self._purpose}\0{place}")

    def rewrapped(self, text: str, place: str) -> str | None:
        """Return the text under the current key, None when it is already.

        Raises:
            SealingError: as `open`.
        """
        version, key = self._keys.current()
        if text.startswith(_EARLIER):
            return self.seal(self._open_earlier(text, place), place)
        parts = _split(text)
        if parts.version == version:
            return None
        bound = f"{self._purpose}\0{place}"
        data_key = _unwrapped(self._key(parts), parts, bound)
        # Opened too, so that a body which is damaged is told at a rotation and not years later.
        _decrypt(data_key, parts.body, _bound_body(bound))
        return _text(version, key, data_key, parts.body, bound)

    def _key(self, parts: _Parts) -> bytes:
        key = self._keys.key(parts.version)
        if key is None:
            raise SealingError(
                f"a secret is sealed under version {parts.version} of the key ring, which the key"
                " file does not hold; restore the key file that does"
            )
        return key

    def _open_earlier(self, text: str, place: str) -> bytes:
        key = self._keys.derived(self._purpose)
        return _decrypt(key, _bytes(text.removeprefix(_EARLIER)), place.encode())

    def __repr__(self) -> str:
        return f"<Envelope {self._purpose}>"


def version_of(text: str) -> int:
    """Return the version of the ring that a text is sealed under, 0 for the earlier form.

    Raises:
        SealingError: it is no such text.
    """
    return 0 if text.startswith(_EARLIER) else _split(text).version


def sealed_under(version: int, key: bytes, secret: bytes, bound: str) -> str:
    """Return a secret sealed under a key, bound to a purpose and a place."""
    data_key = AESGCM.generate_key(256)
    return _text(version, key, data_key, _encrypt(data_key, secret, _bound_body(bound)), bound)


def opened_under(key: bytes, text: str, bound: str) -> bytes:
    """Return what `sealed_under` was given; raises SealingError."""
    parts = _split(text)
    return _decrypt(_unwrapped(key, parts, bound), parts.body, _bound_body(bound))


class _Parts(NamedTuple):
    version: int
    wrapped: bytes
    body: bytes


def _split(text: str) -> _Parts:
    form, _, rest = text.partition(".")
    number, _, rest = rest.partition(".")
    wrapped, _, body = rest.partition(".")
    if form != _FORM or not re.fullmatch(r"[0-9]{1,9}", number):
        raise _shut()
    return _Parts(int(number), _bytes(wrapped), _bytes(body))


def _text(version: int, key: bytes, data_key: bytes, body: bytes, bound: str) -> str:
    wrapped = _encrypt(key, data_key, _bound_key(version, bound))
    return ".".join((_FORM, str(version), _letters(wrapped), _letters(body)))


def _unwrapped(key: bytes, parts: _Parts, bound: str) -> bytes:
    return _decrypt(key, parts.wrapped, _bound_key(parts.version, bound))


def _bound_key(version: int, bound: str) -> bytes:
    return f"borough data key\0{version}\0{bound}".encode()


def _bound_body(bound: str) -> bytes:
    return f"borough secret\0{bound}".encode()


def _encrypt(key: bytes, clear: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, clear, bound)


def _decrypt(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):
        raise _shut() from None


def _letters(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()


def _bytes(letters: str) -> bytes:
    try:
        return base64.b64decode(letters, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _shut() from None


def _shut() -> SealingError:
    return SealingError(
        "a sealed secret does not open: the key file is not that of this home, or it is damaged"
    )
