"""What named keys need stored; the storage layer implements it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol


class Use(StrEnum):
    """What a named key is for; one key never serves both."""

    ENCRYPT = "encrypt"
    """AES-256-GCM."""
    SIGN = "sign"
    """Ed25519."""


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """One version of a named key."""

    number: int
    made_at: int
    """Milliseconds since 1970 UTC."""
    sealed: str = field(repr=False)
    """The secret key, under the key ring."""
    public: str | None
    """Base64 of a signing key's public half, 32 bytes."""


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A key of a project, by its name."""

    id: int
    project: int
    name: str
    use: Use
    disabled: bool
    created_at: int
    """Milliseconds since 1970 UTC."""
    versions: tuple[KeyVersion, ...]
    """Oldest first, never none; the last one encrypts and signs."""

    @property
    def current(self) -> KeyVersion:
        """The version that encrypts and signs."""
        return self.versions[-1]

    def version(self, number: int) -> KeyVersion | None:
        """Return a version, None when there is none of that number."""
        return next((found for found in self.versions if found.number == number), None)


class Secret(NamedTuple):
    """A version's keys, ready to be stored."""

    sealed: str
    public: str | None


Make = Callable[[str], Secret]
"""Makes a version's keys for a place: ``<number of the key>:<number of the version>``."""


class NamedKeyStore(Protocol):
    """Named keys. Changes are durable when a method returns; any thread may call."""

    def add(self, project: int, name: str, use: Use, user: int, at: int, make: Make) -> NamedKey:
        """Add a key with its first version; raises Conflict when the name is taken or too many."""
        ...

    def add_version(self, key: int, at: int, make: Make) -> NamedKey:
        """Add a version; raises Missing, or Conflict when there are too many."""
        ...

    def disable(self, key: int, disabled: bool) -> NamedKey:
        """Have a key refuse every use, or serve again; raises Missing."""
        ...

    def named(self, name: str) -> Sequence[NamedKey]:
        """Return the keys of that name, of all projects, the oldest first."""
        ...

    def keys(self, projects: Sequence[int]) -> Sequence[NamedKey]:
        """Return all keys of some projects, ordered by project and name."""
        ...
