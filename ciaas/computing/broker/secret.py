"""A private key handed to another program without touching a disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

TLS_KEY_VARIABLE = "BOROUGH_BROKER_TLS_KEY"
"""Environment variable that the broker's configuration takes the key file's path from."""


@dataclass(frozen=True, slots=True)
class KeyInMemory:
    """An open in-memory file holding a key. ``fd`` must be passed to the child."""

    fd: int

    @property
    def path(self) -> str:
        """Path by which any process that holds the descriptor opens the file from its start."""
        return f"/proc/self/fd/{self.fd}"

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment of a broker that inherits the descriptor."""
        return {**os.environ, TLS_KEY_VARIABLE: f'"{self.path}"'}


@contextmanager
def key_in_memory(key_pem: bytes) -> Iterator[KeyInMemory]:
    """Hold the key in memory; a child started inside keeps its own hold on it."""
    fd = os.memfd_create("key", os.MFD_CLOEXEC)
    try:
        with os.fdopen(fd, "wb", closefd=False) as file:
            file.write(key_pem)
        yield KeyInMemory(fd)
    finally:
        os.close(fd)
