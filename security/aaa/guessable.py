"""Refuses passwords that are tried first, whatever characters they are made of.

Source: NIST SP 800-63B, 5.1.1.2: length and a list of what is common, no rules of composition.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable

from security.aaa.common_words import ALPHABETS, KEYBOARDS, WORDS
from security.aaa.errors import RuleBroken
from security.limits import PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, PASSWORD_PIECES_MIN

_RUN_CHARS_MIN = 3
_NAME_CHARS_MIN = 3
_LOOKS_LIKE = str.maketrans("@430157$!", "aaeoistsi")
_YEAR = re.compile(r"(?:19|20)\d\d")
_RUNS = tuple(row for line in (*KEYBOARDS, *ALPHABETS) for row in (line, line[::-1]))
_WORD_CHARS_MAX = max(map(len, WORDS))


def refuse_guessable(password: str, names: Iterable[str] = ()) -> None:
    """Make sure that a password is none of those that are tried first.

    What is common (words, names, keyboard rows, sequences, repetitions, years) counts as one piece
    however long it is; a password has to have PASSWORD_PIECES_MIN pieces.

    Args:
        password: Of any characters.
        names: What an attacker knows of the place: the user's name, those of projects.

    Raises:
        RuleBroken: it has too few or too many characters, or too few pieces.
    """
    text = unicodedata.normalize("NFKC", password)
    if not PASSWORD_CHARS_MIN <= len(text) <= PASSWORD_CHARS_MAX:
        raise RuleBroken(
            f"a password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters, of any kind: "
            "several words make a good one"
        )
    if len(pieces(text, names)) < PASSWORD_PIECES_MIN:
        raise RuleBroken(
            "this password is among those that are tried first: it is put together from common "
            "words, names, rows of keys, years or repetitions; take several unrelated words instead"
        )


def pieces(text: str, names: Iterable[str] = ()) -> list[str]:
    """Return what a password is put together from, repeated pieces once.

    At each place the longest common piece counts; a character that begins none is a piece itself.
    """
    text = text.casefold()
    plain = _bare(text)
    known = WORDS | {part for name in names for part in _parts(name)}
    longest = max(_WORD_CHARS_MAX, *map(len, known))
    found: list[str] = []
    start = 0
    while start < len(text):
        length = max(
            _word(plain, start, known, longest), _word(text, start, known, longest),
            _run(text, start), _repetition(text, start), _year(text, start), 1,
        )  # fmt: skip
        found.append(plain[start : start + length])
        start += length
    return [*dict.fromkeys(found)]


def _bare(text: str) -> str:
    """Return a text of the same length without accents, digits and signs read as letters."""
    return "".join((unicodedata.normalize("NFD", char)[:1] or char) for char in text).translate(
        _LOOKS_LIKE
    )


def _parts(name: str) -> set[str]:
    """Return the words of a name, and the name written as one."""
    words = re.findall(r"[^\W_]+", name.casefold())
    return {part for part in (*words, "".join(words)) if len(part) >= _NAME_CHARS_MIN}


def _word(text: str, start: int, known: Collection[str], longest: int) -> int:
    for length in range(min(longest, len(text) - start), _RUN_CHARS_MIN - 1, -1):
        if text[start : start + length] in known:
            return length
    return 0


def _run(text: str, start: int) -> int:
    """Return how long keys or letters follow each other from here, 0 when not for long."""
    length = _RUN_CHARS_MIN
    while start + length <= len(text) and any(text[start : start + length] in row for row in _RUNS):
        length += 1
    return length - 1 if length > _RUN_CHARS_MIN else 0


def _repetition(text: str, start: int) -> int:
    """Return how far something that begins here goes on repeating itself."""
    best = 0
    for size in range(1, (len(text) - start) // 2 + 1):
        unit, length = text[start : start + size], size
        while text[start + length : start + length + size] == unit:
            length += size
        if length > size and length >= _RUN_CHARS_MIN and size <= 4:
            best = max(best, length)
    return best


def _year(text: str, start: int) -> int:
    return 4 if _YEAR.match(text, start) else 0
