"""Sealing: short secrets that have to be used again, encrypted at rest."""

from __future__ import annotations

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_FORM = "v1."


class SealingError(Exception):
    """A sealed secret cannot be opened: another key, another place, or damage."""


class Sealing:
    """AES-256-GCM under one key of the key ring; safe from any thread.

    A text is sealed for a place, such as the row it lies in, and opens nowhere else.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, secret: bytes, place: str) -> str:
        """Return the secret as text that may lie on a disk."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, secret, place.encode())
        return _FORM + base64.urlsafe_b64encode(sealed).decode()

    def open(self, text: str, place: str) -> bytes:
        """Return what `seal` was given.

        Raises:
            SealingError: it is none of ours, or was sealed for another place.
        """
        try:
            sealed = base64.urlsafe_b64decode(text.removeprefix(_FORM))
            return self._cipher.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode()
            )
        except (InvalidTag, binascii.Error, ValueError):
            raise SealingError(
                "a secret of the registry does not open: the key file is not that of this home"
            ) from None

    def __repr__(self) -> str:
        return "<Sealing>"
