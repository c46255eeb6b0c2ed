"""Authorization code with PKCE: RFC 6749 section 4.1, RFC 7636, OpenID Connect Core section 3.1."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge

from security.aaa.oidc.applications import REFRESH
from security.aaa.oidc.flows.client import Client, application_of
from security.aaa.oidc.flows.refresh import new_refresh, outlives
from security.aaa.oidc.flows.server import FlowRequest, Server, asked_scopes
from security.aaa.oidc.ports import Authorisation, Code
from security.aaa.tokens import Scope, digest
from security.limits import CODE_LIFE_S, PARAMETER_CHARS_MAX
from security.ports import User


class StoredCode:
    """A code as Authlib asks about it."""

    code_challenge_method = "S256"

    def __init__(self, code: Code) -> None:
        self.code, self.code_challenge = code, code.challenge

    def get_redirect_uri(self) -> str:
        """Return the address that the code was sent to."""
        return self.code.redirect_uri

    def get_scope(self) -> str:
        """Return the scopes that the person agreed to."""
        return " ".join(sorted(self.code.scopes))


class CodeGrant(AuthorizationCodeGrant):
    """A code is redeemed once, by whom it was issued to; a second time ends what it gave."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")
    server: Server
    request: FlowRequest

    @staticmethod
    def validate_authorization_redirect_uri(request: Any, client: Client) -> str:
        """Return the address that a browser may be sent back to."""
        uri = request.payload.redirect_uri
        if uri is None or not client.check_redirect_uri(uri):
            raise InvalidRequestError("redirect_uri is none of those that the application has")
        return str(uri)

    def save_authorization_code(self, code: str, request: FlowRequest) -> None:
        """Keep what the person in front of the browser agreed to."""
        parts, session = self.server.parts, request.asked.session
        assert session is not None
        scopes = asked_scopes(request)
        if not session.user.admin:
            scopes -= {Scope.ADMIN.value}
        parts.requests.add_code(
            Code(
                digest(code),
                application_of(request).id,
                session.user.id,
                session.token,
                request.payload.redirect_uri,
                scopes,
                request.payload.data.get("nonce", ""),
                request.payload.data["code_challenge"],
                session.authenticated_at,
                session.amr,
                parts.clock_ms() + CODE_LIFE_S * 1_000,
            )
        )

    def query_authorization_code(self, code: str, client: Client) -> StoredCode | None:
        """Return a code of this application; one that was redeemed ends what it gave."""
        parts = self.server.parts
        found = parts.requests.code(digest(code))
        if found is None or found.application != client.application.id:
            return None
        if found.authorisation is not None:
            parts.authorisations.revoke(found.authorisation)
            return None
        return None if parts.clock_ms() >= found.expires_at else StoredCode(found)

    def authenticate_user(self, authorization_code: StoredCode) -> User | None:
        """Return the person who agreed, unless disabled since."""
        return self.server.parts.user(authorization_code.code.account)

    def generate_token(self, **kwargs: Any) -> dict[str, Any]:
        """Redeem the code and return the answer."""
        parts, request = self.server.parts, self.request
        code: Code = request.authorization_code.code
        application = application_of(request)
        refresh = new_refresh() if REFRESH in application.grants else None
        now = parts.clock_ms()
        given = outlives(
            Authorisation(
                application.id,
                code.account,
                code.scopes,
                now,
                None,
                session=code.session,
                authenticated_at=code.authenticated_at,
                amr=code.amr,
                handle="" if refresh is None else refresh.handle,
                refresh="" if refresh is None else refresh.digest,
            ),
            now,
        )
        number = parts.requests.redeem_code(code.digest, given)
        begun = None if number is None else parts.authorisations.in_force(number, now)
        if begun is None:
            raise InvalidGrantError("the code was used already, or its sign-in has ended")
        token = self.server.issue(application, begun, code.scopes, code.nonce)
        return token if refresh is None else token | {"refresh_token": refresh.text}

    def delete_authorization_code(self, authorization_code: StoredCode) -> None:
        """Keep it: a replay has to be told from a guess."""


class Challenge(CodeChallenge):
    """PKCE by S256 and nothing else, for every application.

    Source: RFC 9700, section 2.1.1.
    """

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Refuse a request without a challenge, or by the method that proves nothing."""
        data = grant.request.payload.data
        if "code_challenge" not in data or data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("send code_challenge with code_challenge_method=S256")
        if len(data.get("nonce", "")) > PARAMETER_CHARS_MAX // 4:
            raise InvalidRequestError("the nonce is too long")
        super().validate_code_challenge(grant, redirect_uri)
