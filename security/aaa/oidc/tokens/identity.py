"""ID tokens, and what is told of a person: OpenID Connect Core 1.0, sections 2 and 5."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from security.aaa.oidc.errors import BadToken
from security.aaa.oidc.ports import Application, Authorisation
from security.aaa.oidc.scopes import GROUPS, PROFILE
from security.aaa.oidc.tokens.access import AccessTokens, acr_of
from security.aaa.oidc.tokens.signing import SigningKeys
from security.limits import ID_TOKEN_LIFE_S
from security.ports import User

_TYPE = "JWT"


class IdTokens:
    """Issues ID tokens and recognises its own; from any thread.

    Args:
        keys: Sign.
        issuer: Address of this provider.
        groups_of: Returns the names of the groups of a user.
        clock_ms: Milliseconds since 1970 UTC.
    """

    def __init__(
        self,
        keys: SigningKeys,
        issuer: str,
        groups_of: Callable[[int], Sequence[str]],
        clock_ms: Callable[[], int],
    ) -> None:
        self._keys, self._issuer = keys, issuer
        self._groups_of, self._clock_ms = groups_of, clock_ms

    def issue(
        self,
        application: Application,
        given: Authorisation,
        user: User,
        scopes: frozenset[str],
        access_token: str,
        nonce: str,
    ) -> str:
        """Return an ID token; its person's sign-in must be known."""
        assert given.authenticated_at is not None
        now = self._clock_ms() // 1_000
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": application.uuid,
            "iat": now,
            "exp": now + ID_TOKEN_LIFE_S,
            "auth_time": given.authenticated_at // 1_000,
            "acr": acr_of(given.amr),
            "amr": list(given.amr),
            "at_hash": _half(access_token),
            **({"nonce": nonce} if nonce else {}),
            **self.about(application, user, scopes),
        }
        return self._keys.sign(application.id_token_alg, _TYPE, claims)

    def about(self, application: Application, user: User, scopes: frozenset[str]) -> dict[str, Any]:
        """Return what an application with these scopes is told of a user."""
        told: dict[str, Any] = {"sub": AccessTokens.subject(application, user.id)}
        if PROFILE in scopes:
            told |= {"name": user.name, "preferred_username": user.name}
        if GROUPS in scopes:
            told["groups"] = list(self._groups_of(user.id))
        return told

    def hint(self, text: str) -> tuple[str, str]:
        """Return the subject and the ``client_id`` of an ID token of ours, however old it is.

        Raises:
            BadToken: it is none.
        """
        claims = self._keys.verify(text, _TYPE)
        subject, audience = claims.get("sub"), claims.get("aud")
        if claims.get("iss") != self._issuer:
            raise BadToken("the token was issued by another provider")
        if not isinstance(subject, str) or not isinstance(audience, str):
            raise BadToken("this is no ID token")
        return subject, audience


def _half(text: str) -> str:
    """Return the left half of the SHA-256; both algorithms of ours are of that size."""
    return (
        base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:16]).decode().rstrip("=")
    )
