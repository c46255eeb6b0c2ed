"""Refresh tokens: each is good once, and one that comes again ends the authorisation.

Source: RFC 6749, section 6; RFC 9700, section 4.14.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field, replace
from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidScopeError
from authlib.oauth2.rfc6749.grants import RefreshTokenGrant

from security.aaa.oidc.flows.client import Client, application_of
from security.aaa.oidc.flows.server import FlowRequest, Server
from security.aaa.oidc.ports import Authorisation
from security.aaa.oidc.scopes import OFFLINE, text_of, words
from security.aaa.tokens import digest
from security.limits import OFFLINE_LIFE_S
from security.ports import User

_FORM = re.compile(r"bor_refresh_([\w-]{22})([\w-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Refresh:
    """A refresh token: a part that stays with its authorisation, and one that is new each time."""

    lasting: str = field(repr=False)
    fresh: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Refresh | None:
        """Return the token of a text, None when it is none."""
        found = _FORM.fullmatch(text)
        return None if found is None else cls(found[1], found[2])

    @property
    def text(self) -> str:
        """What the application keeps."""
        return f"bor_refresh_{self.lasting}{self.fresh}"

    @property
    def handle(self) -> str:
        """Digest that the authorisation is found by."""
        return digest(self.lasting)

    @property
    def digest(self) -> str:
        """Digest of the only token that is good."""
        return digest(self.fresh)


def new_refresh(lasting: str | None = None) -> Refresh:
    """Return a fresh token, for another authorisation unless its lasting part is given."""
    return Refresh(lasting or secrets.token_urlsafe(16), secrets.token_urlsafe(32))


def outlives(given: Authorisation, now: int) -> Authorisation:
    """Return an authorisation with its end: that of its sign-in, or a later one if agreed."""
    if OFFLINE in given.scopes:
        return replace(given, session=None, expires_at=now + OFFLINE_LIFE_S * 1_000)
    return given


class StoredAuthorisation:
    """An authorisation as Authlib asks about it."""

    def __init__(self, authorisation: Authorisation, presented: Refresh) -> None:
        self.authorisation, self.presented = authorisation, presented

    def check_client(self, client: Client) -> bool:
        """Tell whether it was issued to this application."""
        return self.authorisation.application == client.application.id

    def get_scope(self) -> str:
        """Return what was agreed to."""
        return text_of(self.authorisation.scopes)


class RefreshGrant(RefreshTokenGrant):
    """A refresh token is exchanged for the next one."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")
    server: Server
    request: FlowRequest

    def authenticate_refresh_token(self, refresh_token: str) -> StoredAuthorisation | None:
        """Return what a token belongs to; whether it is the good one shows when it is turned."""
        presented = Refresh.parse(refresh_token)
        if presented is None:
            return None
        parts = self.server.parts
        found = parts.authorisations.by_handle(presented.handle)
        if found is None or parts.authorisations.in_force(found.id, parts.clock_ms()) is None:
            return None
        return StoredAuthorisation(found, presented)

    def authenticate_user(self, refresh_token: StoredAuthorisation) -> User | None:
        """Return whose rights they are, unless disabled since."""
        return self.server.parts.user(refresh_token.authorisation.account)

    def issue_token(self, user: User, refresh_token: StoredAuthorisation) -> dict[str, Any]:
        """Turn the token over and return the answer."""
        parts, given = self.server.parts, refresh_token.authorisation
        application = application_of(self.request)
        wanted = words(self.request.payload.scope)  # no more than was agreed to, as was checked
        scopes = (wanted or given.scopes) & application.scopes
        if not scopes:
            raise InvalidScopeError(
                "the application may no longer ask for any of that; have its scopes given back"
            )
        presented, following = (
            refresh_token.presented,
            new_refresh(refresh_token.presented.lasting),
        )
        if not parts.authorisations.turn(given.id, presented.digest, following.digest):
            parts.authorisations.revoke(given.id)
            raise InvalidGrantError(
                "the refresh token was used before, so everything of it has ended; sign in again"
            )
        token = self.server.issue(application, given, scopes)
        return token | {"refresh_token": following.text}

    def revoke_old_credential(self, refresh_token: StoredAuthorisation) -> None:
        """Nothing is left to do: it was turned over before anything was issued."""
