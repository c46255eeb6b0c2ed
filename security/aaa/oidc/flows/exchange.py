"""Token exchange: a narrower token for the same user and application. RFC 8693.

What comes out says less than what went in: fewer scopes, or a service instead of the platform, and
it lives no longer. It rests on the same authorisation and ends with it.
"""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import (
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    UnauthorizedClientError,
)
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin

from security.aaa.oidc.applications import EXCHANGE
from security.aaa.oidc.errors import BadToken
from security.aaa.oidc.flows.client import application_of
from security.aaa.oidc.flows.credentials import for_service
from security.aaa.oidc.flows.server import FlowRequest, Server
from security.aaa.oidc.scopes import text_of, words
from security.aaa.oidc.tokens.access import Access

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a kind
_UNSUPPORTED = ("actor_token", "actor_token_type", "resource")


class ExchangeGrant(BaseGrant, TokenEndpointMixin):
    """Exchanges an access token of the application for a narrower one."""

    GRANT_TYPE = EXCHANGE
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")
    server: Server
    request: FlowRequest

    def validate_token_request(self) -> None:
        """Make sure that the application presents a good token of its own."""
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError("the application may not exchange tokens")
        self.request.client = client
        form = self.request.form
        for name in _UNSUPPORTED:
            if name in form:
                raise InvalidRequestError(f"{name} is not supported; name a service by audience")
        if form.get("subject_token_type") != ACCESS_TOKEN:
            raise InvalidRequestError(f"subject_token_type has to be {ACCESS_TOKEN}")
        if form.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
            raise InvalidRequestError(f"requested_token_type has to be {ACCESS_TOKEN}")
        access = self.server.parts.access
        try:
            self._subject = access.read(form.get("subject_token", ""), access.audience)
        except BadToken as error:
            raise InvalidGrantError(f"subject_token: {error}") from None
        if self._subject.application.id != application_of(self.request).id:
            raise InvalidGrantError("subject_token was issued to another application")

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """Return the answer."""
        token = self._narrower(self._subject)
        return 200, token | {"issued_token_type": ACCESS_TOKEN}, self.TOKEN_RESPONSE_HEADER

    def _narrower(self, subject: Access) -> dict[str, Any]:
        parts, application = self.server.parts, application_of(self.request)
        wanted = words(self.request.payload.scope)
        audience = self.request.form.get("audience", parts.access.audience)
        if audience != parts.access.audience:
            return for_service(
                self.server,
                application,
                subject.authorisation,
                audience,
                wanted,
                subject.scopes,
                subject.expires_at,
            )
        if not wanted <= subject.scopes:
            raise InvalidScopeError(f"subject_token says only: {text_of(subject.scopes)}")
        text, lives_s = parts.access.issue(
            application,
            subject.authorisation,
            wanted or subject.scopes,
            ends_at=subject.expires_at,
        )
        return {
            "access_token": text,
            "token_type": "Bearer",
            "expires_in": lives_s,
            "scope": text_of(wanted or subject.scopes),
        }
