"""The first start: one code, one administrator, no default credential."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from ciaas.storage.registry import Registry
from security.aaa.accounts import Accounts
from security.aaa.errors import NotAuthenticated, RuleBroken, SetUpClosed
from security.aaa.tokens import Scope

PASSWORD = "correct horse battery"


def code_of(accounts: Accounts) -> str:
    code = accounts.set_up_code()
    assert code is not None
    return code


def test_the_code_makes_one_administrator_who_is_signed_in(accounts: Accounts) -> None:
    user, issued = accounts.set_up(code_of(accounts), "anna", PASSWORD)
    assert user.admin and accounts.users() == [user]
    principal = accounts.authenticate(issued.text)
    assert principal.user == user and principal.may(Scope.ADMIN)
    assert accounts.sign_in("anna", PASSWORD).token.user == user.id


def test_the_code_is_stored_as_a_digest_alone(accounts: Accounts, registry: Registry) -> None:
    code = code_of(accounts)
    stored = registry.accounts.set_up_digest()
    assert stored is not None and len(stored) == 64
    assert code not in stored and code.replace("-", "") not in stored


def test_the_code_may_be_typed_carelessly(accounts: Accounts) -> None:
    typed = " " + code_of(accounts).lower().replace("-", " ") + "\n"
    assert accounts.set_up(typed, "anna", PASSWORD)[0].admin


@pytest.mark.parametrize("code", ["", "AAAA-AAAA-AAAA-AAAA", "\ud800", "é" * 16])
def test_another_code_is_refused(accounts: Accounts, code: str) -> None:
    code_of(accounts)
    with pytest.raises(NotAuthenticated):
        accounts.set_up(code, "anna", PASSWORD)
    assert accounts.users() == []


def test_no_code_is_good_before_one_was_printed(accounts: Accounts) -> None:
    with pytest.raises(NotAuthenticated):
        accounts.set_up("", "anna", PASSWORD)


def test_a_later_start_voids_the_earlier_code(new_accounts: Callable[[], Accounts]) -> None:
    earlier = code_of(new_accounts())
    accounts = new_accounts()
    later = code_of(accounts)
    assert earlier != later
    with pytest.raises(NotAuthenticated):
        accounts.set_up(earlier, "anna", PASSWORD)
    assert accounts.set_up(later, "anna", PASSWORD)


def test_a_broken_rule_does_not_use_the_code_up(accounts: Accounts) -> None:
    code = code_of(accounts)
    with pytest.raises(RuleBroken, match="12 to 128"):
        accounts.set_up(code, "anna", "short")
    with pytest.raises(RuleBroken, match="user name"):
        accounts.set_up(code, "an na", PASSWORD)
    assert accounts.set_up(code, "anna", PASSWORD)


def test_set_up_is_done_once(new_accounts: Callable[[], Accounts]) -> None:
    accounts = new_accounts()
    code = code_of(accounts)
    accounts.set_up(code, "anna", PASSWORD)
    with pytest.raises(SetUpClosed):
        accounts.set_up(code, "bert", PASSWORD)
    assert new_accounts().set_up_code() is None


def test_a_digest_left_by_a_crash_is_removed(accounts: Accounts, registry: Registry) -> None:
    code = code_of(accounts)
    digest = registry.accounts.set_up_digest()
    accounts.set_up(code, "anna", PASSWORD)
    registry.accounts.put_set_up_digest(digest)
    with pytest.raises(SetUpClosed):
        accounts.set_up(code, "bert", PASSWORD)
    assert accounts.set_up_code() is None
    assert registry.accounts.set_up_digest() is None


def test_an_automation_does_not_close_the_door_to_the_first_person(accounts: Accounts) -> None:
    accounts.add_user("demo", None, admin=True)
    assert accounts.set_up(code_of(accounts), "anna", PASSWORD)[0].name == "anna"


def test_of_two_at_once_one_is_set_up(accounts: Accounts) -> None:
    code = code_of(accounts)
    outcomes: list[str] = []

    def attempt(name: str) -> None:
        try:
            accounts.set_up(code, name, PASSWORD)
            outcomes.append("done")
        except SetUpClosed:
            outcomes.append("closed")

    threads = [threading.Thread(target=attempt, args=(name,)) for name in ("anna", "bert")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["closed", "done"]
    assert len(accounts.users()) == 1
