"""What ends by time alone: codes, tokens, devices, what outlives a sign-in, signing keys."""

from __future__ import annotations

import base64
import json

import pytest

from security.aaa.errors import NotAuthenticated
from security.aaa.oidc.errors import BadToken
from security.aaa.oidc.messages import Asked, Login, Reply
from security.aaa.oidc.tokens.access import check_times
from security.limits import (
    ACCESS_TOKEN_LIFE_S,
    CLOCKS_APART_S,
    CODE_LIFE_S,
    DEVICE_CODE_LIFE_S,
    DEVICE_POLL_S,
    DEVICE_POLL_S_MAX,
    ID_TOKEN_LIFE_S,
    JWKS_LIFE_S,
    OFFLINE_LIFE_S,
    SIGN_IN_LIFE_S,
    SIGNED_TOKEN_CHARS_MAX,
    SIGNING_KEY_DAYS,
    SIGNING_KEY_KEPT_S,
    USE_NOTED_EACH_S,
)
from tests.security.aaa.oidc.conftest import Desk

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def error_of(reply: Reply) -> str:
    assert reply.status == 400 and reply.body is not None, reply
    return str(reply.body["error"])


def test_a_code_lives_a_minute(desk: Desk) -> None:
    session = desk.session()
    late, early = desk.code(session), desk.code(session)
    desk.clock.advance(CODE_LIFE_S - 0.001)
    assert desk.redeem(early).status == 200
    desk.clock.advance(0.001)
    assert error_of(desk.redeem(late)) == "invalid_grant"


def test_an_access_token_ends_by_itself(desk: Desk) -> None:
    tokens = desk.tokens(desk.session())
    assert tokens["expires_in"] == ACCESS_TOKEN_LIFE_S
    principal = desk.accounts.authenticate(tokens["access_token"])
    assert (principal.user.name, principal.application) == ("maria", desk.application.uuid)
    desk.clock.advance(ACCESS_TOKEN_LIFE_S - 1)
    assert desk.accounts.authenticate(tokens["access_token"]) == principal
    desk.clock.advance(1)
    with pytest.raises(NotAuthenticated, match="expired"):
        desk.accounts.authenticate(tokens["access_token"])


def test_a_token_is_remembered_as_any_other_until_something_changes(desk: Desk) -> None:
    token = desk.tokens(desk.session())["access_token"]
    assert not desk.accounts.remembers(token)
    desk.accounts.authenticate(token)
    assert desk.accounts.remembers(token)
    before = desk.accounts.remembered
    desk.accounts.authenticate(token)
    assert desk.accounts.remembered == before
    desk.registry.authorisations.revoke(desk.accounts.authenticate(token).token)
    assert not desk.accounts.remembers(token)
    with pytest.raises(NotAuthenticated, match="has ended"):
        desk.accounts.authenticate(token)


def test_what_rests_on_a_sign_in_ends_with_it(desk: Desk) -> None:
    tokens = desk.tokens(desk.session())
    desk.clock.advance(SIGN_IN_LIFE_S)
    assert error_of(desk.refresh(tokens["refresh_token"])) == "invalid_grant"


def test_what_outlives_a_sign_in_ends_too(desk: Desk) -> None:
    tokens = desk.tokens(desk.session(), scope="openid read offline_access")
    desk.clock.advance(SIGN_IN_LIFE_S + 1)
    reply = desk.refresh(tokens["refresh_token"])
    assert reply.status == 200 and reply.body is not None
    desk.clock.advance(OFFLINE_LIFE_S - SIGN_IN_LIFE_S - 61)
    last = desk.refresh(reply.body["refresh_token"])
    assert last.body is not None and last.body["expires_in"] == 60
    desk.clock.advance(60)
    assert error_of(desk.refresh(last.body["refresh_token"])) == "invalid_grant"


def test_a_sign_in_is_too_old_for_who_asks_for_a_fresh_one(desk: Desk) -> None:
    session = desk.session()
    desk.clock.advance(60)
    step = desk.provider.decide(desk.ask(session, max_age="60"), allowed=True)
    assert isinstance(step, Reply)
    desk.clock.advance(0.001)
    again = desk.provider.authorise(desk.ask(session, max_age="60"))
    assert isinstance(again, Login) and again.again
    silent = desk.provider.authorise(desk.ask(session, max_age="60", prompt="none"))
    assert isinstance(silent, Reply)
    assert "error=login_required" in str(silent.location)


def test_a_device_asks_slower_and_slower_and_is_given_up(desk: Desk) -> None:
    begun = desk.provider.device_authorization(
        Asked({"scope": "read"}, authorization=desk.authorization)
    ).body
    assert begun is not None and begun["expires_in"] == DEVICE_CODE_LIFE_S

    def poll() -> str:
        return error_of(desk.token(grant_type=DEVICE, device_code=begun["device_code"]))

    assert poll() == "authorization_pending"
    desk.clock.advance(DEVICE_POLL_S)
    assert poll() == "authorization_pending"
    assert [poll() for _ in range(20)] == ["slow_down"] * 20
    desk.clock.advance(DEVICE_POLL_S_MAX - 1)
    assert poll() == "slow_down"
    desk.clock.advance(DEVICE_POLL_S_MAX)
    assert poll() == "authorization_pending"
    desk.clock.advance(DEVICE_CODE_LIFE_S)
    assert poll() == "expired_token"
    who = (desk.session().user.id, "192.0.2.7")
    assert desk.provider.waiting_device(begun["user_code"], who) is None


def test_keys_give_way_to_the_next_once_everybody_could_learn_of_them(desk: Desk) -> None:
    first = desk.keys.sign("ES256", "JWT", {"n": 1})
    [old] = kids(desk)["ES256"]
    desk.clock.advance(1)
    desk.keys.rotate(retire=False)
    [_, new] = kids(desk)["ES256"]
    assert kid_of(desk.keys.sign("ES256", "JWT", {})) == old
    desk.clock.advance(JWKS_LIFE_S)
    assert kid_of(desk.keys.sign("ES256", "JWT", {})) == new
    assert desk.keys.verify(first, "JWT") == {"n": 1}
    desk.clock.advance(SIGNING_KEY_KEPT_S)
    desk.keys.rotate(retire=False)
    assert old not in kids(desk)["ES256"]
    with pytest.raises(BadToken, match="not signed with a key of ours"):
        desk.keys.verify(first, "JWT")


def test_a_key_that_is_old_is_replaced_by_itself(desk: Desk) -> None:
    desk.keys.sign("ES256", "JWT", {})
    desk.clock.advance(SIGNING_KEY_DAYS * 86_400)
    desk.keys.sign("ES256", "JWT", {})
    assert len(kids(desk)["ES256"]) == 1
    desk.clock.advance(1)
    desk.keys.sign("ES256", "JWT", {})
    assert len(kids(desk)["ES256"]) == 2


def test_the_last_use_is_written_no_more_than_once_a_minute(desk: Desk) -> None:
    def last() -> int | None:
        assert desk.token(grant_type="client_credentials").status == 200
        return desk.provider.applications.named(desk.application.uuid).last_used_at

    first = last()
    assert first == desk.clock.ms
    desk.clock.advance(USE_NOTED_EACH_S - 1)
    assert last() == first
    desk.clock.advance(1)
    assert last() == desk.clock.ms


def test_clocks_may_differ_by_seconds(desk: Desk) -> None:
    claims = {"iat": 100 + CLOCKS_APART_S, "exp": 1_000}
    check_times(claims, 100)
    for name in ("iat", "nbf"):
        with pytest.raises(BadToken, match="future"):
            check_times(claims | {name: 101 + CLOCKS_APART_S}, 100)


def test_an_id_token_has_an_end(desk: Desk) -> None:
    tokens = desk.tokens(desk.session(amr=("pwd", "otp", "mfa")), scope="openid groups profile")
    claims = desk.keys.verify(tokens["id_token"], "JWT")
    assert claims["exp"] - claims["iat"] == ID_TOKEN_LIFE_S
    assert claims["acr"] == "urn:borough:two-factor"
    assert claims["groups"] == ["gardeners"]


def test_a_long_text_is_no_token_and_costs_nothing(desk: Desk) -> None:
    text = "a.b." + "c" * SIGNED_TOKEN_CHARS_MAX
    assert not desk.provider.access.has_form(text)
    with pytest.raises(BadToken, match="no signed token"):
        desk.keys.verify(text, "JWT")
    with pytest.raises(NotAuthenticated, match="no token of ours"):
        desk.accounts.authenticate(text)


def kids(desk: Desk) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in desk.registry.signing_keys.signing_keys():
        found.setdefault(key.alg, []).append(key.kid)
    return found


def kid_of(token: str) -> str:
    head = token.partition(".")[0]
    kid: str = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]
    return kid
