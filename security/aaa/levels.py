"""Levels of access, lowest first, as cloud.iO orders them."""

from __future__ import annotations

from enum import IntEnum


class Level(IntEnum):
    """What a grant on a prefix allows; each level includes those below it."""

    DENY = 0
    """Nothing, and the thing does not exist for the subject."""
    ACCESS = 1
    """May know that the endpoint exists."""
    BROWSE = 2
    """May see the model and metadata, not the values."""
    READ = 3
    WRITE = 4
    CONFIGURE = 5
    """May change metadata, enrol hardware and add points."""
    GRANT = 6
    OWN = 7
    """May delete."""
