"""What is stored of people beside their accounts; the storage layer implements it.

Changes are durable when a method returns, and it may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from security.aaa.levels import Level


@dataclass(frozen=True, slots=True)
class Factor:
    """A secret that codes are computed from."""

    user: int
    sealed: str
    confirmed: bool
    """False until a code has shown that the person has it."""
    last_step: int
    """The newest step of time whose code was taken; it and those before are taken no more."""


class FactorStore(Protocol):
    """Second factors, recovery codes, and of whom a second factor is asked."""

    def factor(self, user: int) -> Factor | None:
        """Return the user's, confirmed or not."""
        ...

    def put_factor(self, user: int, sealed: str) -> None:
        """Keep an unconfirmed secret in the place of any before."""
        ...

    def confirm_factor(self, user: int, step: int, digests: Sequence[str]) -> None:
        """Make the secret count, with these recovery codes in the place of any before."""
        ...

    def take_step(self, user: int, step: int) -> bool:
        """Use up a step of time and all before; False when it is used up already."""
        ...

    def take_recovery_code(self, user: int, digest: str) -> bool:
        """Use up a recovery code; False when there is no such code any more."""
        ...

    def recovery_codes(self, user: int) -> int:
        """Return how many are left."""
        ...

    def remove_factor(self, user: int) -> bool:
        """Remove secret and recovery codes; False when there were none."""
        ...

    def demands(self) -> frozenset[str]:
        """Return of whom a factor is asked: ``administrators``, ``project:<number>``."""
        ...

    def put_demand(self, subject: str, *, asked: bool) -> None:
        """Ask a factor of a subject, or no longer."""
        ...


@dataclass(frozen=True, slots=True)
class Use:
    """When and from where something was used."""

    at: int
    """Milliseconds since 1970 UTC."""
    source: str


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of a session beside its token."""

    kind: str
    began: Use
    last: Use | None


class SessionStore(Protocol):
    """Where tokens and applications' authorisations came from, and when they were used last."""

    def began(self, session: str, kind: str, use: Use) -> None:
        """Keep the beginning of a session: ``token:<number>`` or ``application:<number>``."""
        ...

    def used(self, sessions: Mapping[str, Use], users: Mapping[int, int]) -> None:
        """Keep last uses of sessions, and when users were there last."""
        ...

    def notes(self, sessions: Sequence[str]) -> Mapping[str, Note]:
        """Return what is known of these, by their names."""
        ...


@dataclass(frozen=True, slots=True)
class Life:
    """Facts of an account."""

    created_at: int | None
    """Milliseconds since 1970 UTC; None for those of an earlier version."""
    last_used_at: int | None


class LifeStore(Protocol):
    """Since when accounts are there; and how they end."""

    def lives(self) -> Mapping[int, Life]:
        """Return by number the users of whom something is known."""
        ...

    def delete_user(self, user: int, at: int) -> None:
        """Shut a user out for ever: password, tokens, factor, grants and memberships go.

        The number and the name stay taken, since the record names them.
        """
        ...


@dataclass(frozen=True, slots=True)
class Invitation:
    """A chance for one person to make an account."""

    id: int
    note: str
    """For whom it is, in the inviter's words."""
    admin: bool
    project: int | None
    """Where the person gets a level; None for nowhere yet."""
    level: Level | None
    inviter: int
    created_at: int
    expires_at: int
    user: int | None = None
    """Who came of it; None while nobody did."""
    withdrawn: bool = False


class InvitationStore(Protocol):
    """Invitations, of which only digests of the tokens are kept."""

    def invite(self, invitation: Invitation, digest: str) -> Invitation:
        """Keep an invitation; it returns with its number. Raises Conflict beyond the bound."""
        ...

    def invitations(self) -> Sequence[Invitation]:
        """Return all, oldest first."""
        ...

    def by_token(self, digest: str) -> Invitation | None:
        """Return the invitation of a token, good or not."""
        ...

    def accept(self, number: int, user: int) -> bool:
        """Note who came of it; False when it was used or withdrawn meanwhile."""
        ...

    def withdraw(self, number: int) -> bool:
        """Take it back; False when it was used or withdrawn already."""
        ...


class QuotaStore(Protocol):
    """What operators set for single projects, and what projects have stored."""

    def quotas(self) -> Mapping[int, Mapping[str, int]]:
        """Return by project the quotas that differ from the defaults."""
        ...

    def put_quota(self, project: int, quota: str, bound: int | None) -> None:
        """Set one; None returns to the default."""
        ...

    def stored(self) -> tuple[int, Mapping[int, int]]:
        """Return the last commit that is counted, and each project's bytes up to it."""
        ...

    def put_stored(self, commit: int, stored: Mapping[int, int]) -> None:
        """Keep all projects' bytes up to a commit, in one transaction."""
        ...
