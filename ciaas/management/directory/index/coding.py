"""Distinct values by number: a condition is tried once a value, not once a point."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Hashable, Iterable
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

_T = TypeVar("_T", bound=Hashable)
NONE: Final = 0
"""The code of no value."""
_CHUNK = 4_096
"""Texts joined for one search: their lines are told apart by counting, so chunks stay short."""


class Codes(Generic[_T]):
    """Values by code, from 1 in the order they came; code 0 has no value."""

    def __init__(self) -> None:
        self.values: list[_T | None] = [None]
        self._codes: dict[_T, int] = {}

    def __len__(self) -> int:
        return len(self.values)

    def code(self, value: _T | None) -> int:
        """Return the code of a value, a new one for a new value."""
        if value is None:
            return NONE
        code = self._codes.get(value)
        if code is None:
            code = self._codes[value] = len(self.values)
            self.values.append(value)
        return code

    def known(self, value: _T) -> int:
        """Return the code of a value, `NONE` when it never came."""
        return self._codes.get(value, NONE)

    def among(self, wanted: Iterable[_T]) -> NDArray[np.bool_]:
        """Return by code which values are wanted."""
        found = np.zeros(len(self), np.bool_)
        found[[self.known(value) for value in wanted]] = True
        found[NONE] = False
        return found

    def where(self, holds: Callable[[_T], bool]) -> NDArray[np.bool_]:
        """Return by code which values fulfil a condition; no value fulfils none."""
        return np.fromiter(
            (value is not None and holds(value) for value in self.values), np.bool_, len(self)
        )


class Texts:
    """Folded texts by code, and which of them hold a word anywhere. Code 0 is the empty text."""

    def __init__(self) -> None:
        self._texts = [""]
        self._codes = {"": NONE}
        self._chunks: list[str] = []

    def __len__(self) -> int:
        return len(self._texts)

    def code(self, text: str) -> int:
        """Return the code of a text, folded."""
        folded = fold(text)
        code = self._codes.get(folded)
        if code is None:
            code = self._codes[folded] = len(self._texts)
            self._texts.append(folded)
            if len(self._texts) % _CHUNK == 0:
                self._chunks.append("\n".join(self._texts[-_CHUNK:]))
        return code

    def text(self, code: int) -> str:
        """Return a folded text."""
        return self._texts[code]

    def holding(self, word: str) -> NDArray[np.bool_]:
        """Return by code which texts hold a word, which is folded and without white space."""
        found = np.zeros(len(self), np.bool_)
        sealed = len(self._chunks) * _CHUNK
        for number, chunk in enumerate([*self._chunks, "\n".join(self._texts[sealed:])]):
            found[[number * _CHUNK + line for line in _lines_with(chunk, word)]] = True
        return found


def fold(text: str) -> str:
    """Return a text as it is compared: no case, no accents, single spaces."""
    if not text.isascii():
        apart = unicodedata.normalize("NFKD", text)
        text = "".join(char for char in apart if not unicodedata.combining(char))
    return " ".join(text.casefold().split())


def _lines_with(chunk: str, word: str) -> Iterable[int]:
    line, counted = 0, 0
    at = chunk.find(word)
    while at >= 0:
        line += chunk.count("\n", counted, at)
        yield line
        end = chunk.find("\n", at)
        if end < 0:
            return
        counted = end
        at = chunk.find(word, end)
