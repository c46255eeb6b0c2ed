"""The authorization server: Authlib's, over what the platform keeps and signs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from security.aaa.oidc.applications import Applications
from security.aaa.oidc.flows.client import Client
from security.aaa.oidc.messages import Asked, Reply
from security.aaa.oidc.ports import Application, Authorisation, AuthorisationStore, RequestStore
from security.aaa.oidc.scopes import SENTENCES, words
from security.aaa.oidc.tokens.access import AccessTokens
from security.aaa.oidc.tokens.identity import IdTokens
from security.ports import AccountStore, User

_SECURE = "https://provider.invalid/"
"""Stands where Authlib wants to see TLS: the platform does not start without it off loopback."""


class Services(Protocol):
    """APIs of applications that tokens may be for, by the audience of their tokens."""

    def held(self, user: User, audience: str) -> frozenset[str]:
        """Return the scopes that a user was granted of a service.

        Raises:
            UnknownService: there is none, or none that the user may know.
        """
        ...

    def within(self, audience: str, scopes: frozenset[str]) -> frozenset[str]:
        """Return the scopes of a service that are no more than these of the platform.

        Raises:
            UnknownService: there is none.
        """
        ...

    def answers_for(self, application: Application, audience: str) -> bool:
        """Tell whether the service of this audience is the application's."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What the flows work with."""

    applications: Applications
    authorisations: AuthorisationStore
    requests: RequestStore
    accounts: AccountStore
    access: AccessTokens
    identity: IdTokens
    services: Services
    clock_ms: Callable[[], int]

    def user(self, number: int) -> User | None:
        """Return a user who is not disabled."""
        found = self.accounts.user_by_id(number)
        return None if found is None or found.disabled else found


class FlowRequest(OAuth2Request):
    """A request as Authlib reads it."""

    def __init__(self, asked: Asked) -> None:
        headers = {"Authorization": asked.authorization} if asked.authorization else {}
        super().__init__(asked.method, _SECURE, headers=headers)
        self.asked = asked
        self.payload = BasicOAuth2Payload(dict(asked.parameters))
        self.given: Authorisation | None = None
        """What a token is issued for, once that is settled."""

    @property
    def args(self) -> Mapping[str, str]:
        """Parameters of the query."""
        return self.asked.parameters if self.asked.method == "GET" else {}

    @property
    def form(self) -> Mapping[str, str]:
        """Parameters of the body."""
        return self.asked.parameters if self.asked.method == "POST" else {}


class Server(AuthorizationServer):
    """Authlib's server; grants and endpoints are registered by `flows`."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(scopes_supported=list(SENTENCES))
        self.parts = parts

    def query_client(self, client_id: str) -> Client | None:
        """Return an application that is not disabled."""
        found = self.parts.applications.find(client_id)
        return None if found is None else Client(found, self.parts.applications)

    def authenticate_client(self, request: Any, methods: Any, endpoint: str = "token") -> Client:
        """Return who sends a request; raises InvalidClientError."""
        client: Client = super().authenticate_client(request, methods, endpoint)
        if not client.application.confidential:
            self.parts.applications.used(client.application)
        return client

    def create_oauth2_request(self, request: Asked | FlowRequest) -> FlowRequest:
        """Return the request as Authlib reads it."""
        return request if isinstance(request, FlowRequest) else FlowRequest(request)

    def handle_response(self, status: int, body: Any, headers: Any) -> Reply:
        """Return the answer for the route to send."""
        told = dict(body) if isinstance(body, list | dict) else None
        return Reply(int(status), told, dict(headers))

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens: the record is written at the entrance."""

    def save_token(self, token: Mapping[str, Any], request: Any) -> None:
        """Nothing is left to save: what a token rests on is kept before it is signed."""

    def issue(
        self,
        application: Application,
        given: Authorisation,
        scopes: frozenset[str],
        nonce: str = "",
    ) -> dict[str, Any]:
        """Return the answer with an access token, and an ID token where it was asked for."""
        parts = self.parts
        scopes &= application.scopes  # some may have been taken away since they were agreed to
        text, lives_s = parts.access.issue(application, given, scopes)
        token: dict[str, Any] = {
            "access_token": text,
            "token_type": "Bearer",
            "expires_in": lives_s,
            "scope": " ".join(sorted(scopes)),
        }
        user = parts.user(given.account)
        if "openid" in scopes and user is not None and given.authenticated_at is not None:
            token["id_token"] = parts.identity.issue(application, given, user, scopes, text, nonce)
        return token


def asked_scopes(request: Any) -> frozenset[str]:
    """Return the scopes that a request ended up with."""
    return words(request.scope)
