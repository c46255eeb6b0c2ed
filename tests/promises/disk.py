"""A small disk of its own for a home: a tmpfs in a mount namespace that ends with the test."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

_PIECE = 65_536
_USER = ("--user", "--map-root-user")


class SmallDisk:
    """A file system of which every byte is ours to fill.

    Args:
        folder: where it is mounted, for processes that enter by `within` and for nobody else.
        megabytes: its size.
    """

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        folder.mkdir()
        # Whoever is not root may have a namespace of his own as root of a user namespace.
        self._user = () if os.geteuid() == 0 else _USER
        script = f"mount -t tmpfs -o size={megabytes}m,mode=700 tmpfs '{folder}' && echo && cat"
        self._holder = subprocess.Popen(
            ["unshare", *self._user, "--mount", "sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        if not _output(self._holder.stdout).readline():
            reason = _output(self._holder.stderr).read().decode().strip()
            self.end()
            pytest.skip(f"no mount namespace can be made here: {reason}")

    @property
    def within(self) -> list[str]:
        """The command that enters, in front of the one to run there."""
        user = ["--user", "--preserve-credentials"] if self._user else []
        return ["nsenter", "--target", str(self._holder.pid), *user, "--mount", "--"]

    @property
    def seen_from_here(self) -> Path:
        """The mounted folder, for this process."""
        return Path(f"/proc/{self._holder.pid}/root", *self.folder.parts[1:])

    def fill(self, leave: int = 0) -> None:
        """Take all room but ``leave`` bytes."""
        with (self.seen_from_here / "filler").open("ab", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(_PIECE))
            except OSError as error:
                assert error.errno == errno.ENOSPC
            filler.truncate(max(0, filler.tell() - leave))

    def clear(self) -> None:
        """Give the room back."""
        (self.seen_from_here / "filler").unlink()

    def make_read_only(self) -> None:
        """Let nobody write any more."""
        command = [*self.within, "mount", "-o", "remount,ro", str(self.folder)]
        subprocess.run(command, check=True)

    def end(self) -> None:
        """Unmount: the namespace ends with its last process."""
        self._holder.communicate()


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Give a small disk and end it whatever happens."""
    disk = SmallDisk(folder, megabytes)
    try:
        yield disk
    finally:
        disk.end()


def _output(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
