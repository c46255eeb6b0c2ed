"""How a process of this machine comes by what opens the key ring, when that is not its file."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from security.encryption.keyring import KeyRing
from security.encryption.unlocking import Method, Unlock, UnlockingError, check_passphrase
from security.limits import PASSPHRASE_CHARS_MAX

VARIABLE = "BOROUGH_UNLOCK"
"""Holds the passphrase of a ring that opens by the environment."""
FD_VARIABLE = "BOROUGH_UNLOCK_FD"
"""Number of an open file descriptor from which the passphrase is read."""
_KEY_FD_VARIABLE = "BOROUGH_UNLOCK_KEY_FD"
"""The same for the key itself, from the watch role to the roles."""
_KEY_BYTES_MAX = 64


def unlock_here(unlock: Unlock) -> bytes:
    """Return the key of a ring: handed over by the watch role, or from a passphrase.

    What was used is taken out of this process's environment, so that no child inherits it.

    Raises:
        UnlockingError: there is nobody to ask, or what came is no passphrase.
    """
    handed, by_descriptor = os.environ.pop(_KEY_FD_VARIABLE, ""), os.environ.pop(FD_VARIABLE, "")
    by_variable = os.environ.pop(VARIABLE, None)
    if handed:
        return _read(handed, _KEY_FD_VARIABLE, _KEY_BYTES_MAX)
    if unlock.method is Method.ENVIRONMENT:
        if by_variable is None:
            raise UnlockingError(
                f"the key ring of this home opens by the environment: set {VARIABLE} to its"
                " passphrase"
            )
        return unlock.key_of(by_variable)
    if by_descriptor:
        line = _read(by_descriptor, FD_VARIABLE, 4 * PASSPHRASE_CHARS_MAX + 2)
        return unlock.key_of(line.decode(errors="replace").rstrip("\r\n"))
    if not sys.stdin.isatty():
        raise UnlockingError(
            "the key ring of this home opens by a passphrase: start from a terminal, or hand it"
            f" over by a file descriptor, such as: {FD_VARIABLE}=3 borough up 3< FILE"
        )
    return unlock.key_of(_asked("Passphrase of the key ring"))


def forget_environment() -> None:
    """Take a passphrase out of this process's environment; children must not inherit it."""
    for name in (VARIABLE, FD_VARIABLE):
        os.environ.pop(name, None)


def new_passphrase() -> str:
    """Return a passphrase to come, from the terminal (typed twice) or standard input.

    Raises:
        UnlockingError: it can be none.
    """
    if sys.stdin.isatty():
        passphrase = _asked("New passphrase of the key ring")
        if passphrase != _asked("The same again"):
            raise UnlockingError("the two passphrases differ; nothing was changed")
    else:
        passphrase = sys.stdin.read(PASSPHRASE_CHARS_MAX + 3).rstrip("\r\n")
    check_passphrase(passphrase)
    return passphrase


@dataclass(frozen=True, slots=True)
class Hand:
    """What a child process needs to open the ring: an environment and descriptors to inherit."""

    environment: Mapping[str, str]
    descriptors: tuple[int, ...]


@contextlib.contextmanager
def handed_over(key: bytes) -> Iterator[Hand]:
    """Give what one child, started in the block, opens the ring with; it reads it once.

    Nothing is handed over when the key is empty: the ring opens by its file.
    """
    if not key:
        yield Hand({}, ())
        return
    reading, writing = os.pipe()  # its buffer takes the key, so that nobody waits
    try:
        with os.fdopen(writing, "wb") as file:
            file.write(key)
        yield Hand({_KEY_FD_VARIABLE: str(reading)}, (reading,))
    finally:
        os.close(reading)


def key_for_children(keys: KeyRing) -> bytes:
    """Return what `handed_over` gives to the roles; empty when each opens the ring by its file."""
    return b"" if keys.method is Method.FILE else keys.unlock_key


def _read(number: str, name: str, bytes_max: int) -> bytes:
    refusal = UnlockingError(
        f"{name} is {number[:20]!r}, which is no file descriptor open for reading"
    )
    if not re.fullmatch(r"[0-9]{1,9}", number):
        raise refusal
    try:
        with os.fdopen(int(number), "rb") as file:
            return file.read(bytes_max)
    except OSError:
        raise refusal from None


def _asked(what: str) -> str:
    import click

    return str(click.prompt(what, hide_input=True, err=True))
