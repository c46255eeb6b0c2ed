"""The fenced blocks of a page, and how the answer in one is held against a real answer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

DOCS = Path(__file__).parents[2] / "docs"

ELLIPSIS = "…"
"""In a page's answer: any text, or any part of a text."""
_OF_THE_RUN = frozenset(
    {"commit", "number", "seq", "cseq", "chain", "at", "since", "notAfter", "timestamp", "token"}
)
"""Keys whose numbers depend on when it is run or on what came before: their type is compared."""
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One fenced block."""

    language: str
    """Empty for what is shown but not run here, such as the start of the platform."""
    text: str


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page below ``docs`` in their order."""
    return blocks_of((DOCS / page).read_text(encoding="utf-8"))


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a Markdown text in their order."""
    return [Block(*match.groups()) for match in _FENCE.finditer(text)]


def assert_like(shown: Any, real: Any, where: str = "the answer") -> None:
    """Fail unless a real JSON value is what a page shows."""
    if isinstance(shown, dict):
        assert isinstance(real, dict), f"{where}: {real!r}"
        assert set(shown) == set(real), f"{where} has other keys: {sorted(real)}"
        for key, value in shown.items():
            if key in _OF_THE_RUN:
                assert type(real[key]) is type(value), f"{where}.{key}: {real[key]!r}"
            else:
                assert_like(value, real[key], f"{where}.{key}")
    elif isinstance(shown, list):
        assert isinstance(real, list), f"{where}: {real!r}"
        assert len(shown) == len(real), f"{where} has {len(real)} entries: {real!r}"
        for number, (one, other) in enumerate(zip(shown, real, strict=True)):
            assert_like(one, other, f"{where}[{number}]")
    elif isinstance(shown, str) and ELLIPSIS in shown:
        pattern = ".*".join(map(re.escape, shown.split(ELLIPSIS)))
        assert isinstance(real, str), f"{where}: {real!r}"
        assert re.fullmatch(pattern, real, re.DOTALL), f"{where}: {real!r}"
    else:
        assert shown == real, f"{where}: the page shows {shown!r}, the platform says {real!r}"
