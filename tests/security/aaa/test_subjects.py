"""Subjects and purposes: what is one, and what is told to who writes something else."""

from __future__ import annotations

import pytest

from security.aaa.subjects import (
    Party,
    app_subject,
    check_purpose,
    check_subject,
    claim_subject,
    group_subject,
    number_of,
    user_subject,
)
from security.aaa.tokens import Principal
from security.limits import CLAIM_CHARS_MAX, PURPOSE_CHARS_MAX, SUBJECT_CHARS_MAX
from security.ports import User

APP = app_subject("00000000-0000-4000-8000-00000000000a")


@pytest.mark.parametrize(
    "text",
    [
        APP,
        claim_subject("https://idp.example/realms/city", "groups", "wardens=north#1"),
        claim_subject("https://idp.example", "r" * CLAIM_CHARS_MAX, "x"),
        "robot:sweeper-7",
    ],
)
def test_a_subject_has_its_kind_in_front(text: str) -> None:
    assert check_subject(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("anna", "<kind>:<name>"),
        (":x", "<kind>:<name>"),
        ("robot:", "<kind>:<name>"),
        ("Robot:x", "<kind>:<name>"),
        ("app:lamp", "app:<uuid>"),
        (APP.upper().replace("APP", "app"), "small letters"),
        ("claim:https://idp.example", "claim:<issuer>#<claim>=<value>"),
        ("claim:#role=a", "claim:<issuer>#<claim>=<value>"),
        ("claim:i#role=", "claim:<issuer>#<claim>=<value>"),
        (claim_subject("i", "c" * (CLAIM_CHARS_MAX + 1), "v"), "name and value"),
        ("robot:" + "x" * SUBJECT_CHARS_MAX, "at most"),
        ("robot:x\n", "printable"),
    ],
)
def test_what_is_no_subject_is_told_how_one_is_written(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check_subject(text)


def test_users_and_groups_are_known_by_number() -> None:
    assert number_of(user_subject(7)) == ("user", 7)
    assert number_of(group_subject(8)) == ("group", 8)
    assert number_of(APP) is None


def test_a_purpose_is_one_word() -> None:
    longest = "a" * PURPOSE_CHARS_MAX
    for text in ("road-maintenance", "art6.1e", "1", longest):
        assert check_purpose(text) == text
    for text in ("", "Road", "road maintenance", "-a", longest + "a"):
        with pytest.raises(ValueError, match="road-maintenance"):
            check_purpose(text)


def test_a_caller_is_the_user_an_application_and_what_is_claimed() -> None:
    anna = User(3, "anna", None, False)
    person = Principal(anna, frozenset(), 1, subjects=frozenset({"robot:x"}))
    assert person.party("energy") == Party(3, frozenset({"robot:x"}), "energy")
    app = Principal(User(4, APP, None, False), frozenset(), 1, purpose="billing")
    assert app.party("energy") == Party(4, frozenset({APP}), "billing")
