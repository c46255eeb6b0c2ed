"""Users, sign-ins and tokens, over the real registry."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ciaas.storage.registry import Registry
from security.aaa import accounts as accounts_module
from security.aaa.accounts import Accounts
from security.aaa.errors import (
    NotAuthenticated,
    RuleBroken,
    Throttled,
    UnknownToken,
    UnknownUser,
)
from security.aaa.passwords import Passwords
from security.aaa.tokens import Scope, digest
from security.limits import (
    SIGN_IN_FAILURES_FREE,
    SIGN_IN_LIFE_S,
    SIGN_IN_WAIT_S_MAX,
    SIGN_INS_PER_USER_MAX,
    TOKEN_LABEL_CHARS_MAX,
    TOKEN_LIFE_S_MAX,
    TOKENS_ISSUED_PER_USER_MAX,
    USER_NAME_CHARS_MAX,
)
from security.ports import Token, User
from tests.security.aaa.moved_clock import MovedClock

PASSWORD = "correct horse battery"
READ = {Scope.READ}


@pytest.fixture
def anna(accounts: Accounts) -> User:
    return accounts.add_user("anna", PASSWORD, admin=True)


@pytest.fixture
def bert(accounts: Accounts) -> User:
    return accounts.add_user("bert", PASSWORD)


class TestUsers:
    @pytest.mark.parametrize("name", ["", "a b", "a/b", "a\n", "x" * (USER_NAME_CHARS_MAX + 1)])
    def test_bad_names_are_refused(self, accounts: Accounts, name: str) -> None:
        with pytest.raises(RuleBroken, match="a user name has 1 to 64"):
            accounts.add_user(name, PASSWORD)

    def test_the_longest_name_is_accepted(self, accounts: Accounts) -> None:
        name = "x" * USER_NAME_CHARS_MAX
        accounts.add_user(name, PASSWORD)
        assert accounts.sign_in(name, PASSWORD)

    def test_a_taken_name_is_refused(self, accounts: Accounts, anna: User) -> None:
        with pytest.raises(RuleBroken, match="'anna' is taken"):
            accounts.add_user(anna.name, PASSWORD)

    def test_a_name_is_one_however_it_is_encoded(self, accounts: Accounts) -> None:
        accounts.add_user("jo\u0308rg", PASSWORD)
        assert accounts.sign_in("j\u00f6rg", PASSWORD)

    def test_no_hash_shows_when_a_user_is_printed(self, anna: User) -> None:
        assert anna.password_hash is not None
        assert anna.password_hash not in repr(anna)

    def test_another_password_ends_sign_ins_and_keeps_issued_tokens(
        self, accounts: Accounts, anna: User
    ) -> None:
        session = accounts.sign_in("anna", PASSWORD)
        automation = accounts.issue_token(anna.id, "meter", READ, None)
        accounts.change_password(anna.id, "another long password")
        with pytest.raises(NotAuthenticated):
            accounts.authenticate(session.text)
        assert accounts.authenticate(automation.text).user.name == "anna"
        with pytest.raises(NotAuthenticated):
            accounts.sign_in("anna", PASSWORD)
        assert accounts.sign_in("anna", "another long password")

    def test_unknown_users_cannot_be_changed(self, accounts: Accounts) -> None:
        with pytest.raises(UnknownUser, match="no user 404"):
            accounts.change_password(404, PASSWORD)
        with pytest.raises(UnknownUser):
            accounts.disable(404)
        with pytest.raises(UnknownUser):
            accounts.enable(404)
        with pytest.raises(UnknownUser):
            accounts.issue_token(404, "x", READ, None)


class TestDisabling:
    def test_shuts_out_at_once_and_enabling_lets_in_again(
        self, accounts: Accounts, anna: User, bert: User
    ) -> None:
        token = accounts.issue_token(bert.id, "meter", READ, None)
        accounts.authenticate(token.text)
        assert accounts.disable(bert.id).disabled
        with pytest.raises(NotAuthenticated):
            accounts.authenticate(token.text)
        with pytest.raises(NotAuthenticated):
            accounts.sign_in("bert", PASSWORD)
        with pytest.raises(RuleBroken, match="enable"):
            accounts.issue_token(bert.id, "meter", READ, None)
        assert not accounts.enable(bert.id).disabled
        assert accounts.authenticate(token.text).user.name == "bert"

    def test_the_last_administrator_stays(self, accounts: Accounts, anna: User, bert: User) -> None:
        with pytest.raises(RuleBroken, match="last administrator"):
            accounts.disable(anna.id)
        carla = accounts.add_user("carla", PASSWORD, admin=True)
        accounts.disable(anna.id)
        with pytest.raises(RuleBroken, match="last administrator"):
            accounts.disable(carla.id)


class TestSignIn:
    def test_gives_all_scopes_for_some_hours(
        self, accounts: Accounts, anna: User, bert: User, clock: MovedClock
    ) -> None:
        assert accounts.authenticate(accounts.sign_in("anna", PASSWORD).text).scopes == set(Scope)
        token = accounts.sign_in("bert", PASSWORD)
        assert accounts.authenticate(token.text).scopes == set(Scope) - {Scope.ADMIN}
        clock.advance(SIGN_IN_LIFE_S - 0.001)
        assert accounts.authenticate(token.text).user == bert
        clock.advance(0.001)
        with pytest.raises(NotAuthenticated, match="expired"):
            accounts.authenticate(token.text)

    @pytest.mark.parametrize(
        ("name", "password"),
        [
            ("anna", "wrong password"),
            ("nobody", PASSWORD),
            ("", PASSWORD),
            ("anna", ""),
            ("anna", "\ud800" * 12),
            ("meter", PASSWORD),
            ("x" * 100_000, PASSWORD),
        ],
    )
    def test_every_refusal_reads_alike(
        self, accounts: Accounts, anna: User, name: str, password: str
    ) -> None:
        accounts.add_user("meter", None)
        with pytest.raises(NotAuthenticated, match=r"^the name or the password is not right$"):
            accounts.sign_in(name, password)

    def test_an_unknown_user_costs_a_hash_like_any_other(
        self, accounts: Accounts, passwords: Passwords, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        checked: list[str | None] = []
        verify = passwords.verify

        def watch(stored: str | None, password: str, *, known: bool) -> bool:
            checked.append(stored)
            return verify(stored, password, known=known)

        monkeypatch.setattr(passwords, "verify", watch)
        with pytest.raises(NotAuthenticated):
            accounts.sign_in("nobody", PASSWORD)
        assert checked == [None]

    def test_a_hash_of_older_costs_is_renewed(
        self, registry: Registry, clock: MovedClock, passwords: Passwords
    ) -> None:
        older = Passwords(time_cost=2, memory_kib=8, lanes=1)
        user = registry.accounts.add_user("anna", older.hash(PASSWORD), admin=False)
        accounts = Accounts(registry.accounts, clock.now_ms, registry.version, passwords)
        accounts.sign_in("anna", PASSWORD)
        renewed = registry.accounts.user_by_id(user.id)
        assert renewed is not None and renewed.password_hash is not None
        assert "t=1" in renewed.password_hash
        assert accounts.sign_in("anna", PASSWORD)

    def test_a_password_changed_meanwhile_lets_nobody_in(
        self,
        accounts: Accounts,
        anna: User,
        passwords: Passwords,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        verify = passwords.verify

        def overtaken(stored: str | None, password: str, *, known: bool) -> bool:
            right = verify(stored, password, known=known)
            accounts.change_password(anna.id, "another long password")
            return right

        monkeypatch.setattr(passwords, "verify", overtaken)
        with pytest.raises(NotAuthenticated, match="changed meanwhile"):
            accounts.sign_in("anna", PASSWORD)

    def test_one_sign_in_too_many_ends_the_oldest(
        self, accounts: Accounts, anna: User, clock: MovedClock
    ) -> None:
        issued = [accounts.sign_in("anna", PASSWORD) for _ in range(SIGN_INS_PER_USER_MAX)]
        assert accounts.authenticate(issued[0].text)
        accounts.sign_in("anna", PASSWORD)
        with pytest.raises(NotAuthenticated):
            accounts.authenticate(issued[0].text)
        assert accounts.authenticate(issued[1].text)


class TestThrottling:
    def fail(self, accounts: Accounts, source: str = "") -> None:
        for _ in range(SIGN_IN_FAILURES_FREE):
            with pytest.raises(NotAuthenticated):
                accounts.sign_in("anna", "wrong password", source)

    def test_failures_make_even_the_right_password_wait(
        self, accounts: Accounts, anna: User, clock: MovedClock
    ) -> None:
        self.fail(accounts)
        with pytest.raises(Throttled) as refused:
            accounts.sign_in("anna", PASSWORD)
        clock.advance(refused.value.retry_after_s)
        assert accounts.sign_in("anna", PASSWORD)

    def test_the_victim_stays_signed_in_and_gets_in_from_elsewhere(
        self, accounts: Accounts, anna: User
    ) -> None:
        session = accounts.sign_in("anna", PASSWORD, "192.0.2.1")
        self.fail(accounts, "198.51.100.7")
        with pytest.raises(Throttled):
            accounts.sign_in("anna", PASSWORD, "198.51.100.7")
        assert accounts.authenticate(session.text).user == anna
        assert accounts.sign_in("anna", PASSWORD, "192.0.2.1")

    def test_unknown_names_are_throttled_alike(self, accounts: Accounts) -> None:
        self.fail(accounts)
        with pytest.raises(Throttled) as refused:
            accounts.sign_in("anna", PASSWORD)
        assert 0 < refused.value.retry_after_s <= SIGN_IN_WAIT_S_MAX


class TestTokens:
    def test_only_the_digest_is_stored_and_the_text_never_printed(
        self, accounts: Accounts, anna: User, registry: Registry
    ) -> None:
        issued = accounts.issue_token(anna.id, "meter", READ, 60)
        stored = registry.accounts.token(digest(issued.text))
        assert stored == issued.token
        assert issued.text not in repr(stored) and issued.text not in repr(issued)

    def test_carries_exactly_its_scopes(self, accounts: Accounts, anna: User) -> None:
        issued = accounts.issue_token(anna.id, "meter", {Scope.WRITE}, 60)
        principal = accounts.authenticate(issued.text)
        assert [scope for scope in Scope if principal.may(scope)] == [Scope.WRITE]
        assert principal.token == issued.token.id

    def test_a_scope_of_a_later_release_counts_for_nothing(
        self, accounts: Accounts, anna: User, registry: Registry
    ) -> None:
        text = "bor_" + "A" * 43
        registry.accounts.add_token(
            anna.id, digest(text), "later", frozenset({"read", "teleport"}), None
        )
        assert accounts.authenticate(text).scopes == READ

    def test_the_scope_admin_is_nothing_without_an_administrator(
        self, accounts: Accounts, bert: User, registry: Registry
    ) -> None:
        text = "bor_" + "B" * 43
        registry.accounts.add_token(bert.id, digest(text), "x", frozenset({"admin"}), None)
        assert not accounts.authenticate(text).may(Scope.ADMIN)
        with pytest.raises(RuleBroken, match="for administrators"):
            accounts.issue_token(bert.id, "x", {Scope.ADMIN}, 60)

    @pytest.mark.parametrize(
        ("label", "scopes", "life"),
        [
            ("", READ, 60),
            ("x" * (TOKEN_LABEL_CHARS_MAX + 1), READ, 60),
            ("two\nlines", READ, 60),
            ("sign-in", READ, 60),
            ("x", set[Scope](), 60),
            ("x", READ, 0),
            ("x", READ, TOKEN_LIFE_S_MAX + 1),
        ],
    )
    def test_rules(
        self, accounts: Accounts, anna: User, label: str, scopes: set[Scope], life: int
    ) -> None:
        with pytest.raises(RuleBroken):
            accounts.issue_token(anna.id, label, scopes, life)
        assert accounts.tokens(anna.id) == []

    def test_the_longest_label_and_life_are_accepted(self, accounts: Accounts, anna: User) -> None:
        assert accounts.issue_token(anna.id, "x" * TOKEN_LABEL_CHARS_MAX, READ, TOKEN_LIFE_S_MAX)

    def test_expires_to_the_millisecond(
        self, accounts: Accounts, anna: User, clock: MovedClock
    ) -> None:
        issued = accounts.issue_token(anna.id, "meter", READ, 60)
        clock.advance(59.999)
        assert accounts.authenticate(issued.text)
        clock.advance(0.001)
        with pytest.raises(NotAuthenticated, match="expired"):
            accounts.authenticate(issued.text)
        assert accounts.tokens(anna.id) == []

    def test_without_end_means_so(self, accounts: Accounts, anna: User, clock: MovedClock) -> None:
        issued = accounts.issue_token(anna.id, "meter", READ, None)
        clock.advance(TOKEN_LIFE_S_MAX)
        assert accounts.authenticate(issued.text)

    def test_revoking_ends_it_at_once_and_no_other(self, accounts: Accounts, anna: User) -> None:
        kept = accounts.issue_token(anna.id, "kept", READ, None)
        gone = accounts.issue_token(anna.id, "gone", READ, None)
        accounts.authenticate(gone.text)
        accounts.revoke(anna.id, gone.token.id)
        with pytest.raises(NotAuthenticated):
            accounts.authenticate(gone.text)
        assert accounts.authenticate(kept.text)
        assert accounts.tokens(anna.id) == [kept.token]
        with pytest.raises(UnknownToken):
            accounts.revoke(anna.id, gone.token.id)

    def test_nobody_revokes_the_token_of_another(
        self, accounts: Accounts, anna: User, bert: User
    ) -> None:
        issued = accounts.issue_token(anna.id, "meter", READ, None)
        with pytest.raises(UnknownToken):
            accounts.revoke(bert.id, issued.token.id)
        assert accounts.authenticate(issued.text)

    def test_a_bound_holds_and_leaves_sign_ins_alone(self, accounts: Accounts, anna: User) -> None:
        accounts.sign_in("anna", PASSWORD)
        for number in range(TOKENS_ISSUED_PER_USER_MAX):
            accounts.issue_token(anna.id, f"meter {number}", READ, None)
        with pytest.raises(RuleBroken, match="50 tokens are in force"):
            accounts.issue_token(anna.id, "one more", READ, None)
        assert accounts.sign_in("anna", PASSWORD)

    @pytest.mark.parametrize(
        "text", ["", "bor_", "bor_" + "A" * 43, "Bearer", "bor_" + "ä" * 43, "bor_" + "A" * 44]
    )
    def test_strange_tokens_are_refused(self, accounts: Accounts, text: str) -> None:
        with pytest.raises(NotAuthenticated):
            accounts.authenticate(text)


class TestRemembering:
    """A token is looked up once per version of the registry."""

    def test_asks_the_registry_once(
        self, accounts: Accounts, anna: User, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        issued = accounts.issue_token(anna.id, "meter", READ, None)
        asked: list[str] = []
        look_up = registry.accounts.token

        def watch(key: str) -> Token | None:
            asked.append(key)
            return look_up(key)

        monkeypatch.setattr(registry.accounts, "token", watch)
        for _ in range(3):
            accounts.authenticate(issued.text)
        assert len(asked) == 1

    def test_a_change_by_another_hand_is_noticed(
        self, accounts: Accounts, anna: User, registry: Registry
    ) -> None:
        issued = accounts.issue_token(anna.id, "meter", READ, None)
        accounts.authenticate(issued.text)
        registry.accounts.revoke_token(issued.token.id)
        with pytest.raises(NotAuthenticated):
            accounts.authenticate(issued.text)

    def test_a_revocation_during_the_look_up_is_not_forgotten(
        self,
        registry: Registry,
        clock: MovedClock,
        passwords: Passwords,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        accounts = Accounts(registry.accounts, clock.now_ms, lambda: 1, passwords)
        user = accounts.add_user("anna", None)
        issued = accounts.issue_token(user.id, "meter", READ, None)
        look_up = registry.accounts.user_by_id

        def overtaken(number: int) -> User | None:
            found = look_up(number)
            if accounts.tokens(number):
                accounts.revoke(number, issued.token.id)
            return found

        monkeypatch.setattr(registry.accounts, "user_by_id", overtaken)
        accounts.authenticate(issued.text)
        with pytest.raises(NotAuthenticated):
            accounts.authenticate(issued.text)

    def test_the_memory_is_bounded(
        self, accounts: Accounts, anna: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(accounts_module, "PRINCIPALS_CACHED_MAX", 3)
        issued = [accounts.issue_token(anna.id, f"m{n}", READ, None) for n in range(7)]
        for token in issued * 2:
            assert accounts.authenticate(token.text).token == token.token.id
            assert accounts.remembered <= 3


def test_passwords_of_production_are_the_default(
    registry: Registry, clock: MovedClock, new_accounts: Callable[[], Accounts]
) -> None:
    new_accounts().add_user("anna", PASSWORD)
    accounts = Accounts(registry.accounts, clock.now_ms, registry.version)
    accounts.sign_in("anna", PASSWORD)
    stored = registry.accounts.user("anna")
    assert stored is not None and stored.password_hash is not None
    assert stored.password_hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
