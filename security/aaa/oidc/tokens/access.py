"""Access tokens: signed by RFC 9068, and good only while what they were issued for is in force."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from security.aaa.errors import NotAuthenticated
from security.aaa.oidc.errors import BadToken
from security.aaa.oidc.ports import Application, ApplicationStore, Authorisation, AuthorisationStore
from security.aaa.oidc.scopes import of_platform, text_of, words
from security.aaa.oidc.tokens.signing import SigningKeys
from security.aaa.tokens import Principal
from security.limits import ACCESS_TOKEN_LIFE_S, CLOCKS_APART_S, SIGNED_TOKEN_CHARS_MAX
from security.ports import AccountStore

TYPE = "at+jwt"
_FORM = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Access:
    """What a good access token says."""

    authorisation: Authorisation
    application: Application
    scopes: frozenset[str]
    audience: str
    subject: str
    expires_at: int
    """Seconds since 1970 UTC, as all times in signed tokens."""
    issued_at: int
    token: str
    """Its number (``jti``)."""


class AccessTokens:
    """Issues and proves access tokens; methods may be called from any thread.

    Args:
        keys: Sign.
        applications: Know who it was issued to.
        authorisations: Know what is in force.
        accounts: Know whose rights they carry.
        issuer: Address of this provider.
        clock_ms: Milliseconds since 1970 UTC.
    """

    def __init__(
        self,
        keys: SigningKeys,
        applications: ApplicationStore,
        authorisations: AuthorisationStore,
        accounts: AccountStore,
        issuer: str,
        clock_ms: Callable[[], int],
    ) -> None:
        self._keys, self._applications, self._accounts = keys, applications, accounts
        self._authorisations, self._clock_ms = authorisations, clock_ms
        self.issuer = issuer
        self.audience = f"{issuer}/api/v1"
        """Of tokens for the platform's own API."""

    def issue(
        self,
        application: Application,
        authorisation: Authorisation,
        scopes: Collection[str],
        *,
        audience: str | None = None,
        ends_at: int | None = None,
    ) -> tuple[str, int]:
        """Return a token and how many seconds it lives.

        Args:
            application: Whom it is issued to.
            authorisation: What it rests on; the token lives no longer.
            scopes: At most those of the authorisation.
            audience: Whom it is for; None for the platform's own API.
            ends_at: Seconds since 1970 UTC after which it must not live.
        """
        now = self._clock_ms() // 1_000
        ends = [now + ACCESS_TOKEN_LIFE_S, *([] if ends_at is None else [ends_at])]
        if authorisation.expires_at is not None:
            ends.append(authorisation.expires_at // 1_000)
        expires_at = min(ends)
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": self.subject(application, authorisation.account),
            "aud": audience or self.audience,
            "client_id": application.uuid,
            "scope": text_of(scopes),
            "iat": now,
            "exp": expires_at,
            "jti": secrets.token_urlsafe(16),
            "authorisation": authorisation.id,
        }
        if authorisation.authenticated_at is not None:
            claims["auth_time"] = authorisation.authenticated_at // 1_000
            claims["acr"] = acr_of(authorisation.amr)
        return self._keys.sign("ES256", TYPE, claims), max(0, expires_at - now)

    def read(self, text: str, audience: str | None = None) -> Access:
        """Return what a token says that is good now.

        Args:
            text: The token.
            audience: Whom it has to be for; None for whomever.

        Raises:
            BadToken: it is no token of ours, too old, or what it rests on has ended.
        """
        claims = self._keys.verify(text, TYPE)
        now_ms = self._clock_ms()
        check_times(claims, now_ms // 1_000)
        if claims.get("iss") != self.issuer:
            raise BadToken("the token was issued by another provider")
        aud, number = claims.get("aud"), claims.get("authorisation")
        if not isinstance(aud, str) or (audience is not None and aud != audience):
            raise BadToken("the token is for somebody else")
        if type(number) is not int:
            raise BadToken("the token rests on nothing")
        authorisation = self._authorisations.in_force(number, now_ms)
        application = (
            None
            if authorisation is None
            else self._applications.by_number(authorisation.application)
        )
        if authorisation is None or application is None or application.disabled:
            raise BadToken("what the token was issued for has ended")
        scopes = words(claims.get("scope"))
        if aud == self.audience:
            scopes &= authorisation.scopes & application.scopes  # as both are now
        return Access(
            authorisation,
            application,
            scopes,
            aud,
            str(claims.get("sub")),
            int(claims["exp"]),
            int(claims["iat"]),
            str(claims.get("jti")),
        )

    # -- what `Accounts` asks

    @staticmethod
    def has_form(text: str) -> bool:
        """Tell whether a text could be a signed token."""
        return len(text) <= SIGNED_TOKEN_CHARS_MAX and _FORM.fullmatch(text) is not None

    def prove(self, text: str) -> tuple[Principal, int]:
        """Return who the bearer of an access token is, and until when (milliseconds).

        Raises:
            NotAuthenticated: the token is not good for the platform's own API.
        """
        try:
            access = self.read(text, self.audience)
        except BadToken as error:
            raise NotAuthenticated(f"{error}; get a new one") from None
        user = self._accounts.user_by_id(access.authorisation.account)
        if user is None or user.disabled:
            raise NotAuthenticated("the token is of nobody any more; get a new one")
        scopes = of_platform(access.scopes)
        number = access.authorisation.id
        principal = Principal(user, scopes, number, access.application.uuid)
        return principal, access.expires_at * 1_000

    @staticmethod
    def subject(application: Application, account: int) -> str:
        """Return the name by which the holder of rights is told from all others for ever."""
        return f"app:{application.uuid}" if account == application.account else f"user:{account}"


def check_times(claims: dict[str, Any], now: int) -> None:
    """Make sure that a token is of the present; ``now`` in seconds. Raises BadToken."""
    times = {name: claims.get(name) for name in ("exp", "iat", "nbf")}
    for name, at in times.items():
        needed = name != "nbf"
        if (at is None and needed) or (at is not None and type(at) is not int):
            raise BadToken(f"the token says nothing clear by {name}")
    exp, iat, nbf = times["exp"], times["iat"], times["nbf"]
    assert exp is not None and iat is not None
    if now >= exp:
        raise BadToken("the token has expired")
    if iat > now + CLOCKS_APART_S or (nbf is not None and nbf > now + CLOCKS_APART_S):
        raise BadToken("the token is of the future")


def acr_of(amr: Collection[str]) -> str:
    """Return the class of a sign-in: by a password alone, or by a second factor too."""
    return "urn:borough:two-factor" if len(set(amr) - {"mfa"}) > 1 else "urn:borough:password"
