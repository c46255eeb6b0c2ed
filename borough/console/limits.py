"""Bounds of a build of the console."""

from __future__ import annotations

ASK_S_MAX = 10.0
"""For a program that only says its version."""
INSTALL_S_MAX = 900.0
"""For what is downloaded, over a slow line."""
COMPILE_S_MAX = 300.0
"""For what only computes."""
NICENESS = 15
"""The build gives way to the platform that starts beside it."""
