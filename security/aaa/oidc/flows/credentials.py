"""Client credentials: an application acts for itself. RFC 6749, section 4.4."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidScopeError
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant

from security.aaa.oidc.errors import UnknownService
from security.aaa.oidc.flows.client import application_of
from security.aaa.oidc.flows.server import FlowRequest, Server
from security.aaa.oidc.ports import Application, Authorisation
from security.aaa.oidc.scopes import of_platform, text_of, words


class CredentialsGrant(ClientCredentialsGrant):
    """The token carries the application's own rights; ``audience`` may name a service."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")
    server: Server
    request: FlowRequest

    def validate_requested_scope(self) -> None:
        """Leave it to `generate_token`, which knows for whom the scopes are."""

    def generate_token(self, **kwargs: Any) -> dict[str, Any]:
        """Return the answer."""
        application = application_of(self.request)
        given = self._standing(application)
        wanted = words(self.request.payload.scope)
        audience = self.request.payload.data.get("audience")
        if audience is None or audience == self.server.parts.access.audience:
            own = frozenset(scope.value for scope in of_platform(application.scopes))
            if not wanted <= own:
                raise InvalidScopeError(f"the application may ask for: {text_of(own)}")
            return self.server.issue(application, given, wanted or own)
        return for_service(self.server, application, given, audience, wanted, application.scopes)

    def _standing(self, application: Application) -> Authorisation:
        """Return the one authorisation that an application has for itself."""
        parts = self.server.parts
        now = parts.clock_ms()
        found = parts.authorisations.standing(application.id, application.account)
        if found is not None and found.scopes == application.scopes:
            return found
        fresh = Authorisation(application.id, application.account, application.scopes, now, None)
        number = parts.authorisations.begin(fresh)
        begun = parts.authorisations.in_force(number, now)
        if begun is None:
            raise InvalidScopeError("the application was changed meanwhile; ask again")
        return begun


def for_service(
    server: Server,
    application: Application,
    given: Authorisation,
    audience: str,
    wanted: frozenset[str],
    within: frozenset[str],
    ends_at: int | None = None,
) -> dict[str, Any]:
    """Return the answer with a token for a service, of those scopes that its user was granted.

    Args:
        server: Issues it.
        application: Whom it is issued to.
        given: What it rests on.
        audience: Of the service.
        wanted: Scopes of the service; empty for all that can be had.
        within: Scopes of the platform that those of the service may not go beyond.
        ends_at: Seconds since 1970 UTC after which it must not live.
    """
    parts = server.parts
    user = parts.user(given.account)
    try:
        held = frozenset[str]() if user is None else parts.services.held(user, audience)
        held &= parts.services.within(audience, within)
    except UnknownService as error:
        raise InvalidTarget() from error
    if not held or not wanted <= held:
        raise InvalidScopeError("ask the owner of the service for the scopes that are missing")
    told = wanted or held
    text, lives_s = parts.access.issue(application, given, told, audience=audience, ends_at=ends_at)
    return {
        "access_token": text,
        "token_type": "Bearer",
        "expires_in": lives_s,
        "scope": text_of(told),
    }


class InvalidTarget(InvalidScopeError):
    """The audience is no service, or none that may be known. Source: RFC 8693, section 2.2.2."""

    error = "invalid_target"
    description = "no service of that audience is visible to you"
