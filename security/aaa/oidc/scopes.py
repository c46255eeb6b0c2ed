"""Scopes that applications ask for, and what they let them do in a person's words.

Scopes of the platform are those of its own tokens; the others are of OpenID Connect.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from security.aaa.tokens import Scope

OPENID: Final = "openid"
PROFILE: Final = "profile"
GROUPS: Final = "groups"
OFFLINE: Final = "offline_access"

SENTENCES: Final[Mapping[str, str]] = {
    OPENID: "know who you are, by a number that stays the same",
    PROFILE: "know your name",
    GROUPS: "know which groups you are in",
    Scope.READ.value: "read what you may read: models, values and history",
    Scope.WRITE.value: "set points and record values where you may",
    Scope.CONFIGURE.value: "change endpoints, metadata and connections where you may",
    Scope.GRANT.value: "give rights and take them away where you may",
    Scope.AUDIT.value: "read the record of who did what, where you may audit",
    Scope.AUDIT.value: "read the record of who did what, where you may audit",
    Scope.ADMIN.value: "manage users and projects",
    OFFLINE: "go on when you have signed out, until you withdraw it",
}
"""Every scope there is, in the order in which people are asked."""


def words(text: str | None) -> frozenset[str]:
    """Return the scopes of a parameter, which are parted by spaces."""
    return frozenset((text or "").split())


def text_of(scopes: Collection[str]) -> str:
    """Return scopes as a parameter, always in the same order."""
    return " ".join(sorted(scopes))


def of_platform(scopes: Collection[str]) -> frozenset[Scope]:
    """Return those that count for the platform's own API."""
    return frozenset(scope for scope in Scope if scope.value in scopes)
