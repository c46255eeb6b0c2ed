"""A platform whose key ring opens by a passphrase, handed over by a file descriptor."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from borough.home import Home
from borough.wiring import create_keys
from security.encryption.keyring import KeyRing
from security.encryption.unlocking import Cost, Method, Unlock
from tests.promises.platform import Platform

PASSPHRASE = "canary passphrase of the ring"
_DESCRIPTOR = 3


class LockedPlatform(Platform):
    """As `Platform`, with each word of the command line given the passphrase by descriptor 3.

    Args:
        home: Data directory, made and locked here; the passphrase lies beside it for the shell.
        how: As of `Platform`.
    """

    def __init__(self, home: Path, **how: Any) -> None:
        made = Home(home)
        made.prepare()
        unlock = Unlock.by_passphrase(Method.PASSPHRASE, Cost(1_024, 1, 1))
        create_keys(made).lock_with(unlock, PASSPHRASE)
        given = home.with_name(home.name + ".passphrase")
        given.write_text(PASSPHRASE)
        given.chmod(0o600)
        within = ("sh", "-c", f'exec "$@" {_DESCRIPTOR}< {given}', "sh")
        super().__init__(home, within=within, settings={"UNLOCK_FD": str(_DESCRIPTOR)}, **how)

    def keys(self) -> KeyRing:
        """Return the keys of the home."""
        return KeyRing.open(self.files / "keys.json", lambda unlock: unlock.key_of(PASSPHRASE))


@contextlib.contextmanager
def running_locked(home: Path) -> Iterator[LockedPlatform]:
    """Give a locked platform that is ready, and end it whatever happens."""
    platform = LockedPlatform(home)
    assert json.loads((home / "keys.json").read_text())["unlock"]["method"] == "passphrase"
    try:
        platform.start()
        yield platform
    finally:
        platform.end()
