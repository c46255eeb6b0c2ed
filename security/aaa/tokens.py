"""Bearer tokens: ``bor_`` and 32 random bytes; only the digest is ever stored."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from security.aaa.subjects import Party, own_subjects
from security.ports import Token, User

_FORM = re.compile(r"bor_[A-Za-z0-9_-]{43}", re.ASCII)


class Scope(StrEnum):
    """What a token may be used for. Scopes narrow the user's rights and never add to them.

    Each stands for itself: `CONFIGURE` without `READ` configures and reads nothing.
    """

    READ = "read"
    """Models, metadata, values and history."""
    WRITE = "write"
    """Set points and observations."""
    CONFIGURE = "configure"
    """Endpoints, metadata, provisioning and connections."""
    GRANT = "grant"
    """Give rights and take them away."""
    AUDIT = "audit"
    """The record of who did what, where the user may audit."""
    ADMIN = "admin"
    """Users and projects; only in the hands of an administrator."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token. ``text`` exists here alone and cannot be had again."""

    text: str = field(repr=False)
    token: Token
    amr: tuple[str, ...] = ("pwd",)
    """How the person of a sign-in proved who it is (RFC 8176)."""
    device: str | None = field(default=None, repr=False)
    """Proof of a sign-in at this device, to be shown at the next; None when it was none."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request, as proved by a token."""

    user: User
    scopes: frozenset[Scope]
    token: int
    """Number of the token, or of an application's authorisation, for the record."""
    application: str | None = None
    """The ``client_id`` of the application that acts; None for a token of the user's own."""
    subjects: frozenset[str] = frozenset()
    """In whose name else it may be granted something: claims of a trusted issuer, for example."""
    purpose: str | None = None
    """What the token is for and nothing else; None leaves it to each request to say."""

    def party(self, purpose: str | None = None) -> Party:
        """Return in whose name rights are asked, for the purpose that a request states."""
        subjects = self.subjects | own_subjects(self.user.name)
        return Party(self.user.id, subjects, self.purpose or purpose)

    def may(self, scope: Scope) -> bool:
        """Tell whether the token covers the scope."""
        return scope in self.scopes and (scope is not Scope.ADMIN or self.user.admin)


def new_token() -> str:
    """Return a fresh token of 256 random bits."""
    return "bor_" + secrets.token_urlsafe(32)


def is_token(text: str) -> bool:
    """Tell whether the text has the form of a token."""
    return _FORM.fullmatch(text) is not None


def digest(text: str) -> str:
    """Return the SHA-256 of a secret of high entropy, hex."""
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()


def known_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes among the names; a name that a later release stored counts for nothing."""
    names = frozenset(names)
    return frozenset(scope for scope in Scope if scope in names)
