"""Chromium for the public page."""

from __future__ import annotations

from tests.console.conftest import browser, context, pytest_collection_modifyitems, shots

__all__ = ["browser", "context", "pytest_collection_modifyitems", "shots"]
