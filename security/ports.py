"""What security needs stored, as protocols; the storage layer implements them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from security.aaa.extents import Extent
from security.aaa.levels import Level
from security.dependability.states import Interval, Transition


@dataclass(frozen=True, slots=True)
class User:
    """A person or an automation that can hold grants."""

    id: int
    name: str
    password_hash: str | None = field(repr=False)
    """argon2id in PHC form; None for one who signs in by token alone."""
    admin: bool
    """May manage users and projects, and owns every resource."""
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token; only its digest is kept."""

    id: int
    user: int
    digest: str
    """SHA-256 of the token, hex."""
    label: str
    scopes: frozenset[str]
    expires_at: int | None
    """Milliseconds since 1970 UTC; None never expires."""
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """A level for one user on a prefix. ``path`` is ``(project id as text, endpoint, node, …)``.

    An empty path stands for everything; ``(project,)`` for a whole project.
    """

    user: int
    path: tuple[str, ...]
    level: Level


@dataclass(frozen=True, slots=True)
class Group:
    """People who hold grants together."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class GroupGrant:
    """A level for every member of a group on a prefix; ``path`` as in `Grant`."""

    group: int
    path: tuple[str, ...]
    level: Level


@dataclass(frozen=True, slots=True)
class Membership:
    """A user in a group, or no longer in it."""

    group: int
    user: int
    present: bool = True


@dataclass(frozen=True, slots=True)
class GroupChanges:
    """What changed of groups after one version of the registry, up to ``version``."""

    version: int
    put: Sequence[GroupGrant]
    removed: Sequence[GroupGrant]
    members: Sequence[Membership]


@dataclass(frozen=True, slots=True)
class Permit:
    """A grant with more to it than a user or a group and a prefix."""

    id: int
    subject: str
    """``user:<number>``, ``group:<number>``, or another kind, see `security.aaa.subjects`."""
    extent: Extent
    level: Level
    starts: int | None = None
    """Milliseconds since 1970 UTC; None has always begun."""
    ends: int | None = None
    """The first millisecond in which it holds no more; None never ends."""
    purpose: str | None = None
    """Holds only for requests that state this purpose; None for all."""
    giver: int | None = None
    """The user who gave it."""


@dataclass(frozen=True, slots=True)
class PermitChanges:
    """What changed of permits after one version of the registry, up to ``version``."""

    version: int
    put: Sequence[Permit]
    removed: Sequence[Permit]


@dataclass(frozen=True, slots=True)
class CertificateEntry:
    """A certificate that was issued for an endpoint."""

    serial: str
    """Hexadecimal, as the certificate carries it."""
    endpoint: str
    fingerprint: str
    """SHA-256 of the DER form, hex."""
    not_after: int
    """Milliseconds since 1970 UTC."""
    revoked: bool = False
    issued_at: int | None = None
    """Milliseconds since 1970 UTC; None when an earlier version issued it."""
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class ProvisionEntry:
    """A single-use right to fetch an endpoint's bundle; only the token's digest is kept."""

    digest: str
    endpoint: str
    expires_at: int
    properties: Mapping[str, Any]


class Taken(Exception):
    """The name already exists."""


class AccountStore(Protocol):
    """Users, tokens and the one-time set-up code. Changes are durable when a method returns."""

    def add_user(self, name: str, password_hash: str | None, admin: bool) -> User:
        """Raises Taken when the name exists."""
        ...

    def user(self, name: str) -> User | None: ...

    def user_by_id(self, user: int) -> User | None: ...

    def users(self) -> Sequence[User]: ...

    def users_changed(self, after: int) -> Sequence[User]:
        """Return the users that were added or changed after a version of the registry."""
        ...

    def change_user(
        self, user: int, *, password_hash: str | None = None, disabled: bool | None = None
    ) -> User: ...

    def add_token(
        self, user: int, digest: str, label: str, scopes: frozenset[str], expires_at: int | None
    ) -> Token: ...

    def token(self, digest: str) -> Token | None: ...

    def tokens(self, user: int) -> Sequence[Token]: ...

    def revoke_token(self, token: int) -> None: ...

    def set_up_digest(self) -> str | None:
        """Return the digest of the set-up code, None once set-up is done or not yet begun."""
        ...

    def put_set_up_digest(self, digest: str | None) -> None: ...


class GrantStore(Protocol):
    """Grants, stamped with the registry's version."""

    def put_grant(self, grant: Grant) -> None:
        """Create or replace the user's grant on exactly that path."""
        ...

    def remove_grant(self, user: int, path: tuple[str, ...]) -> bool:
        """Return False when there was none."""
        ...

    def grants(self) -> Sequence[Grant]: ...

    def grants_changed(self, after: int) -> tuple[int, Sequence[Grant], Sequence[Grant]]:
        """Return the version now, the grants put and the grants removed since ``after``."""
        ...


class GroupStore(Protocol):
    """Groups, their members and their grants, stamped with the registry's version."""

    def add_group(self, name: str) -> Group:
        """Raises Taken when the name exists."""
        ...

    def group(self, name: str) -> Group | None: ...

    def groups(self) -> Sequence[Group]: ...

    def remove_group(self, group: int) -> None:
        """Remove the group with its members and grants; its name is free again."""
        ...

    def add_member(self, group: int, user: int) -> None: ...

    def remove_member(self, group: int, user: int) -> bool:
        """Return False when the user was no member."""
        ...

    def members(self) -> Sequence[Membership]:
        """Return every membership in force, ordered by group and user."""
        ...

    def put_group_grant(self, grant: GroupGrant) -> None:
        """Create or replace the group's grant on exactly that path."""
        ...

    def remove_group_grant(self, group: int, path: tuple[str, ...]) -> bool:
        """Return False when there was none."""
        ...

    def group_grants(self) -> Sequence[GroupGrant]: ...

    def groups_changed(self, after: int) -> GroupChanges:
        """Return what was put, removed, joined and left since ``after``."""
        ...


class PermitStore(Protocol):
    """Permits, stamped with the registry's version."""

    def put_permit(self, permit: Permit) -> Permit:
        """Create a permit, or replace that of the same subject, extent and purpose.

        Whatever grant the user or the group held on exactly that prefix ends, unless the permit is
        bound to a purpose.
        """
        ...

    def remove_permit(self, subject: str, extent: Extent, purpose: str | None) -> bool:
        """Return False when there was none."""
        ...

    def permits(self) -> Sequence[Permit]: ...

    def permits_changed(self, after: int) -> PermitChanges:
        """Return what was put and removed since ``after``."""
        ...


class CertificateStore(Protocol):
    """Certificates issued to endpoints and pending provision tokens."""

    def add_certificate(self, entry: CertificateEntry, *, predecessor: str | None = None) -> None:
        """Keep a certificate, in the place of a predecessor only if that is not denied."""
        ...

    def certificates(self, endpoint: str) -> Sequence[CertificateEntry]: ...

    def certificate(self, serial: str) -> CertificateEntry | None: ...

    def revoke_certificate(self, serial: str) -> None:
        """Deny it from now on; a second time changes nothing."""
        ...

    def revoke_certificates(self, endpoint: str) -> int:
        """Deny all of an endpoint at one moment; return how many were in force until then."""
        ...

    def in_force(self, now: int) -> Mapping[str, str]:
        """Return each certificate that is neither denied nor expired: fingerprint to endpoint."""
        ...

    def expiry(self) -> Mapping[str, int]:
        """Return when each endpoint's last certificate ends that is not denied, ended or not.

        Milliseconds since 1970 UTC; an endpoint without a certificate is missing.
        """
        ...

    def expiring(self, now: int) -> Sequence[str]:
        """Return the endpoints whose last certificate was to be renewed by now, or has ended."""
        ...

    def put_provision(self, entry: ProvisionEntry) -> None:
        """Store, replacing every earlier token of the same endpoint."""
        ...

    def provision(self, digest: str) -> ProvisionEntry | None:
        """Return the entry, which stays, also when it has expired; None when unknown."""
        ...

    def take_provision(
        self, digest: str, now: int, issued: CertificateEntry | None = None
    ) -> ProvisionEntry | None:
        """Remove and return the entry in one transaction; None when unknown or expired.

        The certificate issued for it is kept in that transaction, or not at all.
        """
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement of how long the record was and what stood for all of it."""

    size: int
    """Sequence of the last entry."""
    head: str
    """SHA-256 of its line, hex."""
    at: int
    """Milliseconds since 1970 UTC."""
    signature: str
    """Ed25519, base64."""


class CheckpointStore(Protocol):
    """The newest checkpoints, kept elsewhere than the record that they speak of."""

    def put_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep it, durably; the oldest go when there are too many."""
        ...

    def checkpoints(self) -> Sequence[Checkpoint]:
        """Return those kept, oldest first."""
        ...


class Record(Protocol):
    """The append-only record of decisions, reads and writes."""

    def append(self, entry: Mapping[str, Any]) -> None:
        """Return after the entry is on disk (fsync, shared by concurrent callers).

        Raises:
            OSError: it could not be written; the caller must refuse what it was about to do.
        """
        ...

    def append_all(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Append several in their order, with as few fsyncs as they need; as `append`.

        Raises:
            OSError: not all could be written.
        """
        ...


class StateStore(Protocol):
    """State intervals of every resource. Methods may be called from any thread."""

    def note(self, transitions: Sequence[Transition], read: tuple[str, int] | None = None) -> None:
        """End each resource's interval and begin the next, in one durable transaction.

        A transition to the state that a resource is in already changes nothing, and one before the
        beginning of its present interval is taken as at that beginning.

        Args:
            transitions: In the order of their times.
            read: A journal's name and how many bytes of it these transitions were read to; kept in
                the same transaction, so that nothing of it is noted twice.
        """
        ...

    def read_to(self) -> tuple[str, int]:
        """Return what `note` was told last of a journal, ``("", 0)`` at first."""
        ...

    def seen(self, at: int) -> None:
        """Keep that the observer was at work until then (milliseconds since 1970 UTC)."""
        ...

    def resume(self, at: int, kinds: Sequence[str]) -> None:
        """Begin to observe again: what was known last holds until `seen`, then it is unknown.

        Only resources of these kinds; ``at`` is now, in milliseconds since 1970 UTC.
        """
        ...

    def current(self) -> Sequence[Interval]:
        """Return the interval that lasts of each resource, ordered by name."""
        ...

    def intervals(self, start: int, end: int, resource: str | None = None) -> Sequence[Interval]:
        """Return what touches a time span, by resource and time; of one resource, or of all."""
        ...
