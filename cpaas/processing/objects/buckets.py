"""A bucket of objects for each project: what a key holds, within the project's room."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from ciaas.ports import Clock, RegistryError
from ciaas.storage.objects import (
    ALWAYS,
    Condition,
    ContentMissing,
    Contents,
    ObjectEntry,
    ObjectError,
    ObjectKeys,
    Received,
)
from cpaas.limits import OBJECT_KEY_LEVELS_MAX, OBJECT_MEDIA_TYPE_CHARS_MAX
from cpaas.processing.errors import BadName, Invisible

OCTETS = "application/octet-stream"
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\\]")
_WORD = r"[A-Za-z0-9!#$&^_.+-]+"
_MEDIA_TYPE = re.compile(rf"{_WORD}/{_WORD}(\s*;\s*{_WORD}=({_WORD}|\"[ -!#-~]*\"))*")


@dataclass(frozen=True, slots=True)
class Buckets:
    """Objects of all projects. Any thread may call; rights are the caller's to ask."""

    contents: Contents
    keys: ObjectKeys
    clock: Clock
    quota: int
    """Bytes that the objects of one project may have together."""

    def store(
        self,
        project: int,
        key: str,
        received: Received,
        media_type: str,
        user: int,
        condition: Condition = ALWAYS,
    ) -> tuple[ObjectEntry, bool]:
        """Give a key a content that was received; returns after all of it is on disk.

        Returns:
            The entry, and whether the key is a new one.

        Raises:
            PreconditionFailed, QuotaExceeded, NoRoom, Conflict: nothing was changed.
        """
        digest = received.digest
        now = self.clock.now_ms()
        entry = ObjectEntry(project, key, digest, received.bytes, media_type, now, user)
        try:
            with self.contents.kept(received):
                before = self.keys.put(entry, quota=self.quota, condition=condition)
        except (ObjectError, RegistryError):
            self.contents.remove(digest, self.keys.holds)
            raise
        if before is not None and before.digest != digest:
            self.contents.remove(before.digest, self.keys.holds)
        return entry, before is None

    def entry(self, project: int, key: str) -> ObjectEntry:
        """Return what a key holds.

        Raises:
            Invisible: there is no such key.
        """
        found = self.keys.get(project, key)
        if found is None:
            raise Invisible
        return found

    def open(self, project: int, key: str) -> tuple[ObjectEntry, BinaryIO]:
        """Return what a key holds, opened for reading.

        Raises:
            Invisible: there is no such key.
        """
        while True:
            entry = self.entry(project, key)
            try:
                return entry, self.contents.open(entry.digest)
            except ContentMissing:
                # Replaced between the two steps; when not, the content was taken from the disk.
                if self.entry(project, key) == entry:
                    raise

    def remove(self, project: int, key: str, condition: Condition = ALWAYS) -> ObjectEntry:
        """Remove a key, and the content if no other key holds it.

        Raises:
            Invisible: there is no such key.
            PreconditionFailed: it holds something else than the condition says.
        """
        self.entry(project, key)
        removed = self.keys.remove(project, key, condition)
        if removed is None:
            raise Invisible
        self.contents.remove(removed.digest, self.keys.holds)
        return removed

    def listed(self, project: int, prefix: str, after: str, limit: int) -> Sequence[ObjectEntry]:
        """Return entries in the order of their keys."""
        return self.keys.listed(project, prefix, after, limit)

    def sweep(self) -> int:
        """Remove what a crash left behind; returns how many files went."""
        return self.contents.sweep(self.keys.holds)


def check_key(key: str) -> str:
    """Return a key that an object may have.

    It never becomes a path here; the rules keep it one in a URL.

    Raises:
        BadName: it is empty or too deep, or holds a control character or a level that a client
            would drop.
    """
    levels = key.split("/")
    if not key or len(levels) > OBJECT_KEY_LEVELS_MAX or _FORBIDDEN.search(key):
        raise BadName(
            f"{key[:64]!r} is no key: up to {OBJECT_KEY_LEVELS_MAX} levels without control "
            "characters and \\"
        )
    if any(level in ("", ".", "..") for level in levels):
        raise BadName(f"{key[:64]!r} has a level that is empty, . or ..; name each level")
    return key


def check_media_type(text: str | None) -> str:
    """Return a media type to answer with, `OCTETS` when none is given.

    Raises:
        BadName: it is none.
    """
    if text is None:
        return OCTETS
    if len(text) > OBJECT_MEDIA_TYPE_CHARS_MAX or not _MEDIA_TYPE.fullmatch(text):
        raise BadName(
            f"Content-Type {text[:64]!r} is no media type; write text/csv or leave it out"
        )
    return text
