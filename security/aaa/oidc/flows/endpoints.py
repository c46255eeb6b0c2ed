"""Introspection and revocation of tokens: RFC 7662 and RFC 7009."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from security.aaa.oidc.errors import BadToken, UnknownService
from security.aaa.oidc.flows.client import Client
from security.aaa.oidc.flows.refresh import Refresh
from security.aaa.oidc.flows.server import Parts, Server
from security.aaa.oidc.ports import Application, Authorisation
from security.aaa.oidc.scopes import text_of
from security.aaa.oidc.tokens.access import Access, acr_of


@dataclass(frozen=True, slots=True)
class Presented:
    """A token that an application asks about; it is in force."""

    authorisation: Authorisation
    application: Application
    access: Access | None
    """What an access token says; None for a refresh token."""

    def check_client(self, client: Client) -> bool:
        """Tell whether it was issued to this application."""
        return self.application.id == client.application.id

    def is_expired(self) -> bool:
        """Tell that it is not: an expired one is not found."""
        return False

    def is_revoked(self) -> bool:
        """Tell that it is not: a revoked one is not found."""
        return False


def presented(parts: Parts, text: str) -> Presented | None:
    """Return a token of ours that is in force."""
    refresh = Refresh.parse(text)
    if refresh is None:
        try:
            access = parts.access.read(text)
        except BadToken:
            return None
        return Presented(access.authorisation, access.application, access)
    found = parts.authorisations.by_handle(refresh.handle)
    if found is None or found.refresh != refresh.digest:
        return None
    alive = parts.authorisations.in_force(found.id, parts.clock_ms())
    application = parts.applications.numbered(found.application)
    return None if alive is None or application is None else Presented(alive, application, None)


class Introspection(IntrospectionEndpoint):
    """Tells an application about its own tokens, and a service about those that are for it."""

    CLIENT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")
    server: Server

    def query_token(self, token_string: str, token_type_hint: str | None) -> Presented | None:
        """Return the token; a hint saves nothing, since the two kinds look different.

        One for a service says what its user holds of it now, and without anything it is not found.
        """
        found = presented(self.server.parts, token_string)
        if found is None or found.access is None:
            return found
        scopes = _held_now(self.server.parts, found.access)
        return replace(found, access=replace(found.access, scopes=scopes)) if scopes else None

    def check_permission(self, token: Presented, client: Client, request: Any) -> bool:
        """Tell whether the application may be told."""
        return token.check_client(client) or (
            token.access is not None
            and self.server.parts.services.answers_for(client.application, token.access.audience)
        )

    def introspect_token(self, token: Presented) -> dict[str, Any]:
        """Return what is told."""
        parts, given = self.server.parts, token.authorisation
        user = parts.user(given.account)
        told: dict[str, Any] = {
            "client_id": token.application.uuid,
            "sub": parts.access.subject(token.application, given.account),
            "iss": parts.access.issuer,
            "username": None if user is None else user.name,
        }
        if given.authenticated_at is not None:
            told |= {"auth_time": given.authenticated_at // 1_000, "acr": acr_of(given.amr)}
        if token.access is None:
            ends = {} if given.expires_at is None else {"exp": given.expires_at // 1_000}
            return told | {"scope": text_of(given.scopes & token.application.scopes)} | ends
        return told | {
            "scope": text_of(token.access.scopes),
            "aud": token.access.audience,
            "exp": token.access.expires_at,
            "iat": token.access.issued_at,
            "jti": token.access.token,
            "token_type": "Bearer",
        }


class Revocation(RevocationEndpoint):
    """Ends a token, with all that rests on the same authorisation."""

    CLIENT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")
    server: Server

    def query_token(self, token_string: str, token_type_hint: str | None) -> Presented | None:
        """Return the token, None when it is not in force: it is then revoked enough."""
        return presented(self.server.parts, token_string)

    def revoke_token(self, token: Presented, request: Any) -> None:
        """End it."""
        self.server.parts.authorisations.revoke(token.authorisation.id)


def _held_now(parts: Parts, access: Access) -> frozenset[str]:
    """Return what an access token may do now: a service cannot ask who holds what."""
    if access.audience == parts.access.audience:
        return access.scopes
    user = parts.user(access.authorisation.account)
    if user is None:
        return frozenset()
    agreed = access.authorisation.scopes & access.application.scopes
    try:
        held = parts.services.held(user, access.audience)
        return access.scopes & held & parts.services.within(access.audience, agreed)
    except UnknownService:
        return frozenset()
