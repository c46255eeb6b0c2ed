"""The console's own tests of what needs no browser, run by Vitest."""

from __future__ import annotations

import pytest

from borough.console.build import build
from borough.console.checkout import CONSOLE
from borough.console.node import find_node

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_what_needs_no_browser() -> None:
    build(CONSOLE, lambda step: None)  # its libraries are there afterwards
    vitest = CONSOLE.sources / "node_modules/vitest/vitest.mjs"
    find_node(CONSOLE.node_lock).run([str(vitest), "run"], CONSOLE.sources, "Vitest", 100.0)
