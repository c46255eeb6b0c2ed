"""Unlocking: by what the key ring of a home opens, and the key that comes of it."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, NamedTuple, TypeAlias

import msgspec

from security.limits import (
    PASSPHRASE_CHARS_MAX,
    PASSPHRASE_CHARS_MIN,
    UNLOCK_LANES_MAX,
    UNLOCK_MEMORY_KIB_MAX,
    UNLOCK_PASSES_MAX,
)

_KEY_BYTES = 32
_SALT_BYTES = 16


class UnlockingError(Exception):
    """The key ring stays shut; the message says why and what to do, and holds no secret."""


class Method(StrEnum):
    """Where the key that opens the ring comes from."""

    FILE = "file"
    """It lies in the key file itself, which its owner alone may read."""
    ENVIRONMENT = "environment"
    """Derived from an environment variable of who starts the platform."""
    PASSPHRASE = "passphrase"  # noqa: S105 - the word, not one
    """Derived from what a person types, or hands over by a file descriptor."""


class Cost(NamedTuple):
    """What one guess of a passphrase costs."""

    memory_kib: int
    passes: int
    lanes: int


COST = Cost(65_536, 3, 4)
"""Some tenths of a second and 64 MiB. Source: RFC 9106, section 4, second recommended option."""


class Unlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How one ring opens, as the key file says it; without a secret unless the method is FILE."""

    method: Method
    key: str = ""
    """Base64; of the method FILE alone."""
    salt: str = ""
    """Base64, as the rest of the other methods."""
    memory_kib: Annotated[int, msgspec.Meta(ge=0, le=UNLOCK_MEMORY_KIB_MAX)] = 0
    passes: Annotated[int, msgspec.Meta(ge=0, le=UNLOCK_PASSES_MAX)] = 0
    lanes: Annotated[int, msgspec.Meta(ge=0, le=UNLOCK_LANES_MAX)] = 0

    @classmethod
    def by_file(cls) -> Unlock:
        """Return a way to open a ring by a new key that lies beside it."""
        return cls(Method.FILE, key=base64.b64encode(os.urandom(_KEY_BYTES)).decode())

    @classmethod
    def by_passphrase(cls, method: Method, cost: Cost = COST) -> Unlock:
        """Return a way to open a ring by a passphrase, with a salt of its own."""
        salt = base64.b64encode(os.urandom(_SALT_BYTES)).decode()
        return cls(method, "", salt, *cost)

    def own_key(self) -> bytes:
        """Return the key that lies in the file.

        Raises:
            UnlockingError: it is none, or of another length.
        """
        try:
            key = base64.b64decode(self.key, validate=True)
        except ValueError:
            key = b""
        if len(key) != _KEY_BYTES:
            raise UnlockingError("the key file holds no key that opens it; restore the file")
        return key

    def key_of(self, passphrase: str) -> bytes:
        """Return the key that a passphrase gives; takes some tenths of a second.

        Raises:
            UnlockingError: the passphrase or what the file says of it is none.

        Source: argon2id, RFC 9106.
        """
        # Half a megabyte of memory at import that a ring with a key file never needs.
        from argon2.exceptions import HashingError
        from argon2.low_level import Type, hash_secret_raw

        check_passphrase(passphrase)
        try:
            return hash_secret_raw(
                passphrase.encode(),
                base64.b64decode(self.salt, validate=True),
                time_cost=self.passes,
                memory_cost=self.memory_kib,
                parallelism=self.lanes,
                hash_len=_KEY_BYTES,
                type=Type.ID,
            )
        except (HashingError, ValueError) as error:
            raise UnlockingError(
                f"the key file does not say how its passphrase is used ({error}); restore the file"
            ) from None


Opener: TypeAlias = Callable[[Unlock], bytes]
"""Returns the key that opens a ring which does not open by its file; raises UnlockingError."""


def check_passphrase(passphrase: str) -> None:
    """Make sure that a passphrase can be one.

    Raises:
        UnlockingError: too short, too long, or not printable.
    """
    if not PASSPHRASE_CHARS_MIN <= len(passphrase) <= PASSPHRASE_CHARS_MAX:
        raise UnlockingError(
            f"a passphrase of the key ring has {PASSPHRASE_CHARS_MIN} to {PASSPHRASE_CHARS_MAX}"
            " characters"
        )
    if not passphrase.isprintable():
        raise UnlockingError("a passphrase of the key ring is one line of printable characters")


def nobody_asks(unlock: Unlock) -> bytes:
    """Refuse: the opener where nobody can be asked.

    Raises:
        UnlockingError: always.
    """
    raise UnlockingError(f"the key ring opens by {unlock.method.value}, and nobody gave it here")
