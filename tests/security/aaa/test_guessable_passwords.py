"""Passwords that are tried first are refused, whatever characters they have; long ones are not."""

from __future__ import annotations

import pytest

from security.aaa.common_words import WORDS
from security.aaa.errors import RuleBroken
from security.aaa.guessable import pieces, refuse_guessable
from security.limits import PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "P@ssw0rd!2024",
        "Passw0rdPassw0rd",
        "qwertyuiop123",
        "1q2w3e4r5t6z",
        "aaaaaaaaaaaaaaaaaaaa",
        "abababababababab",
        "abcdefghijkl",
        "987654321098",
        "borough-2026!",
        "SommerWinter24",
        "alice-harbour",
        "harbouralice12",
        "changemechangeme",
    ],
)
def test_what_is_tried_first_is_refused(password: str) -> None:
    with pytest.raises(RuleBroken, match="tried first"):
        refuse_guessable(password, ["alice", "Harbour"])


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "a long way to the harbour",
        "xk4!pQ92mzLw",
        "\u65e5\u672c\u8a9e\u306e\u9577\u3044\u3042\u3044\u3053\u3068\u3070\u3067\u3059",
        "\U0001f6b2 rides past twelve \U0001f333",
        "lower case letters alone do",
    ],
)
def test_length_is_enough_and_no_kind_of_character_is_asked_for(password: str) -> None:
    refuse_guessable(password, ["alice", "city"])


def test_the_bounds_are_counted_in_characters() -> None:
    text = "xk4!pQ92mzLw\u00e9" * 10
    refuse_guessable(text[:PASSWORD_CHARS_MIN])
    refuse_guessable(text[:PASSWORD_CHARS_MAX])
    for length in (PASSWORD_CHARS_MIN - 1, PASSWORD_CHARS_MAX + 1):
        with pytest.raises(RuleBroken, match=f"{PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX}"):
            refuse_guessable(text[:length])


def test_a_name_is_one_piece_only_where_it_is_known() -> None:
    assert pieces("waterworks-77", ["Waterworks"]) == ["waterworks", "-", "t"]
    assert len(pieces("waterworks-77")) > 3


def test_every_word_of_the_list_is_found_in_a_password() -> None:
    assert [word for word in WORDS if len(word) >= 3 and len(pieces(word)) != 1] == []
