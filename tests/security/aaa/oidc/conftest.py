"""A provider over the real registry, with a clock in the hands of the test."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ciaas.storage.registry import Registry
from security.aaa.accounts import Accounts
from security.aaa.oidc.applications import GRANTS, Applications
from security.aaa.oidc.errors import UnknownService
from security.aaa.oidc.messages import Asked, Reply
from security.aaa.oidc.ports import Application
from security.aaa.oidc.provider import Provider
from security.aaa.oidc.scopes import SENTENCES
from security.aaa.oidc.sessions import Session, Sessions
from security.aaa.oidc.tokens.access import AccessTokens
from security.aaa.oidc.tokens.identity import IdTokens
from security.aaa.oidc.tokens.signing import SigningKeys
from security.aaa.passwords import Passwords
from security.encryption.keyring import KeyRing
from security.ports import User
from tests.security.aaa.moved_clock import MovedClock

ISSUER = "https://city.example"
CALLBACK = "https://app.example/in"
PASSWORD = "correct horse battery"
VERIFIER = "v" * 43
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
)


class NoServices:
    """A city in which nobody publishes anything."""

    def held(self, user: User, audience: str) -> frozenset[str]:
        raise UnknownService(audience)

    def within(self, audience: str, scopes: frozenset[str]) -> frozenset[str]:
        raise UnknownService(audience)

    def answers_for(self, application: Application, audience: str) -> bool:
        return False


@dataclass
class Desk:
    """The provider, one application and one person in front of a browser."""

    provider: Provider
    accounts: Accounts
    keys: SigningKeys
    registry: Registry
    clock: MovedClock
    application: Application
    secret: str

    @property
    def authorization(self) -> str:
        both = f"{self.application.uuid}:{self.secret}"
        return "Basic " + base64.b64encode(both.encode()).decode()

    def session(self, amr: Sequence[str] = ("pwd",)) -> Session:
        """Sign the person in."""
        issued = self.accounts.sign_in("maria", PASSWORD)
        self.provider.sessions.begin(replace(issued, amr=tuple(amr)))
        found = self.provider.sessions.current(issued.text)
        assert found is not None
        return found

    def ask(self, session: Session | None, **changed: str) -> Asked:
        told = {
            "response_type": "code",
            "client_id": self.application.uuid,
            "redirect_uri": CALLBACK,
            "scope": "openid read",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        } | changed
        return Asked(told, method="GET", session=session)

    def code(self, session: Session, **changed: str) -> str:
        step = self.provider.decide(self.ask(session, **changed), allowed=True)
        assert isinstance(step, Reply) and step.location is not None, step
        return parse_qs(urlsplit(step.location).query)["code"][0]

    def token(self, **told: str) -> Reply:
        return self.provider.token(Asked(told, authorization=self.authorization))

    def redeem(self, code: str) -> Reply:
        return self.token(
            grant_type="authorization_code",
            code=code,
            redirect_uri=CALLBACK,
            code_verifier=VERIFIER,
        )

    def tokens(self, session: Session, **changed: str) -> dict[str, Any]:
        reply = self.redeem(self.code(session, **changed))
        assert reply.status == 200 and reply.body is not None, reply
        return dict(reply.body)

    def refresh(self, token: str) -> Reply:
        return self.token(grant_type="refresh_token", refresh_token=token)


@pytest.fixture
def desk(tmp_path: Path, registry: Registry, clock: MovedClock, passwords: Passwords) -> Desk:
    keys = SigningKeys(
        registry.signing_keys,
        KeyRing.create(tmp_path / "keys").envelope("signing keys"),
        clock.now_ms,
        registry.version,
    )
    access = AccessTokens(
        keys,
        registry.applications,
        registry.authorisations,
        registry.accounts,
        ISSUER,
        clock.now_ms,
    )
    accounts = Accounts(registry.accounts, clock.now_ms, registry.version, passwords, access)
    applications = Applications(registry.applications, clock.now_ms)

    def groups_of(user: int) -> Sequence[str]:
        return ["gardeners"]

    provider = Provider(
        applications,
        registry.authorisations,
        registry.authorisation_requests,
        registry.accounts,
        Sessions(accounts, registry.authorisations, clock.now_ms),
        access,
        IdTokens(keys, ISSUER, groups_of, clock.now_ms),
        keys,
        NoServices(),
        clock.now_ms,
    )
    maria = accounts.add_user("maria", PASSWORD)
    application, secret = applications.create(
        Application(
            uuid="",
            name="Lights",
            project=registry.resources.create_project("quarter").id,
            owner=maria.id,
            confidential=True,
            redirect_uris=(CALLBACK,),
            logout_uris=(),
            grants=frozenset(GRANTS),
            scopes=frozenset(SENTENCES),
            id_token_alg="ES256",
            created_at=0,
        )
    )
    assert secret is not None
    return Desk(provider, accounts, keys, registry, clock, application, secret)
