"""Passwords: hashed with argon2id, a few at a time.

Source: RFC 9106, second recommended option (64 MiB, 3 passes, 4 lanes).
"""

from __future__ import annotations

import base64
import secrets
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from security.aaa.errors import RuleBroken, Throttled
from security.limits import (
    PASSWORD_CHARS_MAX,
    PASSWORD_CHARS_MIN,
    PASSWORD_HASHES_AT_ONCE,
    PASSWORD_HASHES_RESERVED,
    PASSWORD_WAIT_S,
)


class Passwords:
    """Hashes and checks passwords with bounded memory and processor time.

    Args:
        time_cost: Passes over the memory.
        memory_kib: Memory of one hash.
        lanes: Threads of one hash.
        wait_s: How long a caller waits for a free place before it is turned away.
    """

    def __init__(
        self,
        *,
        time_cost: int = 3,
        memory_kib: int = 65_536,
        lanes: int = 4,
        wait_s: float = PASSWORD_WAIT_S,
    ) -> None:
        self._hasher = PasswordHasher(time_cost, memory_cost=memory_kib, parallelism=lanes)
        self._places = threading.BoundedSemaphore(PASSWORD_HASHES_AT_ONCE)
        self._reserved = threading.BoundedSemaphore(PASSWORD_HASHES_RESERVED)
        self._wait_s = wait_s
        # Of no password: the digest is random. It costs as much to check as any other.
        digest, salt = (_phc_text(secrets.token_bytes(size)) for size in (32, 16))
        self._nobodys = f"$argon2id$v=19$m={memory_kib},t={time_cost},p={lanes}${salt}${digest}"

    def hash(self, password: str) -> str:
        """Return the argon2id hash in PHC form.

        Raises:
            RuleBroken: too short, too long, or no text that can be encoded.
            Throttled: too many passwords are being hashed at present.
        """
        text = _normal(password)
        if text is None or not PASSWORD_CHARS_MIN <= len(text) <= PASSWORD_CHARS_MAX:
            raise RuleBroken(
                f"a password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters"
            )
        with self._place(self._places):
            return self._hasher.hash(text)

    def verify(self, stored: str | None, password: str, *, known: bool = False) -> bool:
        """Tell whether the password belongs to the stored hash.

        The work is the same when ``stored`` is None, so that the time of an answer does not tell
        whether a user exists. ``known`` devices have places of their own.

        Raises:
            Throttled: too many passwords are being hashed at present.
        """
        text = _normal(password)
        if text is None or len(text) > PASSWORD_CHARS_MAX:
            stored, text = None, ""
        with self._place(self._reserved if known else self._places):
            try:
                return self._hasher.verify(stored or self._nobodys, text)
            except (VerificationError, InvalidHashError):
                return False

    def is_outdated(self, stored: str) -> bool:
        """Tell whether the hash was made with other costs than those of today."""
        return self._hasher.check_needs_rehash(stored)

    @contextmanager
    def _place(self, places: threading.BoundedSemaphore) -> Iterator[None]:
        if not places.acquire(timeout=self._wait_s):
            raise Throttled(max(1, ceil(self._wait_s)))
        try:
            yield
        finally:
            places.release()


def _normal(password: str) -> str | None:
    """Return the one form of a text that keyboards encode differently; None when it has none."""
    text = unicodedata.normalize("NFKC", password)
    return None if any("\ud800" <= char <= "\udfff" for char in text) else text


def _phc_text(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")
