"""Core closes each of its stores, whatever becomes of the others."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from borough.roles.core import Core
from ciaas.ports import DiskFull
from ciaas.storage.registry import Unavailable


class Parts:
    """The stores of a core, which tell in which order they were closed."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.raised: dict[str, Exception] = {}
        self.core = object.__new__(Core)
        self.core.__dict__.update(
            _people=SimpleNamespace(
                storage=SimpleNamespace(end=lambda: None), keep=lambda history: self._tell("keep")
            ),
            _history=SimpleNamespace(close=lambda: self._tell("history")),
            accounting=SimpleNamespace(close=lambda: self._tell("record")),
            _registry=SimpleNamespace(close=lambda: self._tell("registry")),
        )

    def _tell(self, name: str) -> Any:
        self.told.append(name)
        if name in self.raised:
            raise self.raised[name]

    def close(self) -> None:
        asyncio.run(self.core._close())


@pytest.mark.parametrize("refusal", [Unavailable("the disk is full"), DiskFull("the disk is full")])
def test_figures_that_cannot_be_kept_leave_no_store_open(
    refusal: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    parts = Parts()
    parts.raised["keep"] = refusal
    parts.close()
    assert parts.told == ["keep", "history", "record", "registry"]
    assert "not kept: the disk is full" in caplog.text


@pytest.mark.parametrize("name", ["keep", "history", "record"])
def test_a_store_that_fails_leaves_no_other_open(name: str) -> None:
    parts = Parts()
    parts.raised[name] = OSError("the disk is full")
    with pytest.raises(OSError, match="the disk is full"):
        parts.close()
    assert parts.told == ["keep", "history", "record", "registry"]
