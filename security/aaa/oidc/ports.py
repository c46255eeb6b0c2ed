"""What the provider needs stored; the storage layer implements it.

Times are milliseconds since 1970 UTC. Of every secret only the SHA-256 is kept, as hex.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Application:
    """An app that signs in by itself, or asks people to let it act for them."""

    uuid: str
    """Its ``client_id``."""
    name: str
    project: int
    owner: int
    """Number of the person who answers for it."""
    confidential: bool
    """False for one that can keep no secret, such as an app on a phone."""
    redirect_uris: tuple[str, ...]
    logout_uris: tuple[str, ...]
    grants: frozenset[str]
    scopes: frozenset[str]
    id_token_alg: str
    created_at: int
    id: int = 0
    account: int = 0
    """The user ``app:<uuid>`` that its own rights are granted to."""
    last_used_at: int | None = None
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Secret:
    """A client secret in force."""

    id: int
    digest: str = field(repr=False)
    created_at: int
    expires_at: int | None
    """None until another one takes its place."""
    last_used_at: int | None


@dataclass(frozen=True, slots=True)
class Authorisation:
    """What an application may do for a user; all tokens of one authorisation end together."""

    application: int
    account: int
    """Whose rights they are: a person, or the application itself."""
    scopes: frozenset[str]
    started_at: int
    expires_at: int | None
    """None for that of an application for itself."""
    session: int | None = None
    """The sign-in that it ends with; None outlives it."""
    authenticated_at: int | None = None
    amr: tuple[str, ...] = ()
    """How the person proved who it is. Source: RFC 8176."""
    handle: str = ""
    """Digest of the part of its refresh tokens that stays the same; empty without any."""
    refresh: str = field(default="", repr=False)
    """Digest of the only refresh token that is good."""
    id: int = 0
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code and the request that it answers."""

    digest: str = field(repr=False)
    application: int
    account: int
    session: int
    redirect_uri: str
    scopes: frozenset[str]
    nonce: str
    challenge: str
    """Of PKCE, S256."""
    authenticated_at: int
    amr: tuple[str, ...]
    expires_at: int
    authorisation: int | None = None
    """What it was exchanged for; None until then."""


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """A device that waits for a person to enter its code elsewhere."""

    digest: str = field(repr=False)
    user_code: str = field(repr=False)
    """Digest of the code that the person types."""
    application: int
    scopes: frozenset[str]
    expires_at: int
    interval_s: int
    polled_at: int = 0
    account: int | None = None
    """Who decided; None as long as nobody has."""
    allowed: bool = False
    authenticated_at: int | None = None
    amr: tuple[str, ...] = ()
    authorisation: int | None = None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, sealed for the place that its ``kid`` names."""

    kid: str
    alg: str
    sealed: str = field(repr=False)
    created_at: int


@dataclass(frozen=True, slots=True)
class SignedIn:
    """When and how the person of a sign-in proved who it is."""

    at: int
    amr: tuple[str, ...]


class ApplicationStore(Protocol):
    """Applications and their secrets. Changes are durable when a method returns."""

    def add(self, application: Application, digest: str | None) -> Application:
        """Return it with its numbers; the secret's digest is None for one that keeps none."""
        ...

    def application(self, uuid: str) -> Application | None: ...

    def by_number(self, number: int) -> Application | None: ...

    def applications(self) -> Sequence[Application]: ...

    def change(self, application: Application) -> None:
        """Store name, addresses, grants, scopes, algorithm and whether it is disabled."""
        ...

    def remove(self, application: Application) -> None:
        """Remove it with its secrets, grants, authorisations and consents."""
        ...

    def secrets(self, application: int, now: int) -> Sequence[Secret]:
        """Return those in force, oldest first."""
        ...

    def rotate(self, application: int, digest: str, now: int, overlap_until: int) -> None:
        """Add a secret; the newest before it ends at ``overlap_until``, older ones now."""
        ...

    def used(self, application: int, secret: int | None, at: int) -> None: ...


class AuthorisationStore(Protocol):
    """Authorisations, sign-ins and consents."""

    def begin(self, authorisation: Authorisation) -> int:
        """Keep an authorisation; the user's oldest of this application makes way."""
        ...

    def standing(self, application: int, account: int) -> Authorisation | None:
        """Return what an application has for itself, None when nothing is in force."""
        ...

    def in_force(self, number: int, now: int) -> Authorisation | None:
        """Return an authorisation unless it, its sign-in or its application has ended."""
        ...

    def by_handle(self, handle: str) -> Authorisation | None: ...

    def turn(self, number: int, before: str, after: str) -> bool:
        """Put another refresh token in the place of the one before; False when it is another."""
        ...

    def revoke(self, number: int) -> None: ...

    def of_user(self, account: int, now: int) -> Sequence[Authorisation]:
        """Return what a user authorised and is in force, oldest first."""
        ...

    def note_sign_in(self, token: int, signed_in: SignedIn) -> None: ...

    def signed_in(self, token: int) -> SignedIn | None: ...

    def hand_over(self, before: int, after: int) -> None:
        """Have what ends with one sign-in end with another instead."""
        ...

    def consent(self, account: int, application: int) -> frozenset[str]: ...

    def put_consent(self, account: int, application: int, scopes: frozenset[str]) -> None: ...

    def withdraw(self, account: int, application: int) -> bool:
        """Take consent back and end the authorisations; False when there was neither."""
        ...


class RequestStore(Protocol):
    """Codes and devices that wait; each is redeemed once."""

    def add_code(self, code: Code) -> None: ...

    def code(self, digest: str) -> Code | None: ...

    def redeem_code(self, digest: str, authorisation: Authorisation) -> int | None:
        """Begin the authorisation of a code, once.

        Returns:
            Its number; None when the code was redeemed before, which ends what it gave.
        """
        ...

    def add_device(self, request: DeviceRequest, now: int) -> None: ...

    def device(self, digest: str) -> DeviceRequest | None: ...

    def device_of_code(self, user_code: str) -> DeviceRequest | None: ...

    def decide(self, request: DeviceRequest) -> bool:
        """Store who decided and how; False when somebody had decided already."""
        ...

    def polled(self, digest: str, at: int, interval_s: int) -> None: ...

    def redeem_device(self, digest: str, authorisation: Authorisation) -> int | None:
        """As `redeem_code`."""
        ...


class SigningKeyStore(Protocol):
    """Private keys, sealed."""

    def signing_keys(self) -> Sequence[SigningKey]:
        """Return them oldest first."""
        ...

    def add_signing_key(self, key: SigningKey, without: Sequence[str] = ()) -> None:
        """Keep a key, and forget others by their ``kid``."""
        ...
