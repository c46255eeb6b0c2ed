"""Proof that somebody signed in at a device before: what keeps the owner in while others guess.

It opens nothing: whoever shows one still needs the password. It ends with the password that it was
given for.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable

from security.limits import DEVICE_PROOF_CHARS_MAX, DEVICE_PROOF_LIFE_S
from security.ports import User


class KnownDevices:
    """Gives proofs and recognises them; nothing is stored.

    Args:
        key: Of 32 bytes, the platform's own.
        clock_ms: Milliseconds since 1970 UTC.
    """

    def __init__(self, key: bytes, clock_ms: Callable[[], int]) -> None:
        self._key, self._clock_ms = key, clock_ms

    def proof(self, user: User) -> str:
        """Return a proof for the device at which the user has just signed in."""
        until = self._clock_ms() // 1_000 + DEVICE_PROOF_LIFE_S
        about = f"{secrets.token_urlsafe(12)}.{until}"
        return f"{about}.{self._mac(about, user)}"

    def recognise(self, text: str | None, user: User | None) -> str | None:
        """Return what the device is known by when the user signed in there, else None."""
        if text is None or user is None or len(text) > DEVICE_PROOF_CHARS_MAX:
            return None
        about, _, mac = text.rpartition(".")
        name, _, until = about.rpartition(".")
        if not hmac.compare_digest(self._mac(about, user).encode(), mac.encode(errors="replace")):
            return None
        return f"{user.id}.{name}" if int(until) > self._clock_ms() // 1_000 else None

    def _mac(self, about: str, user: User) -> str:
        told = f"{about}\0{user.id}\0{user.password_hash}"
        return hmac.new(self._key, told.encode(errors="replace"), hashlib.sha256).hexdigest()
