"""The key file: how a ring lies on the disk, and how one of an earlier version is read."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from security.encryption.envelope import SealingError, opened_under, sealed_under
from security.encryption.private_file import (
    PrivateFileError,
    read_private,
    replace_private,
    write_private,
)
from security.encryption.unlocking import Method, Opener, Unlock, UnlockingError
from security.limits import KEY_FILE_BYTES_MAX

_KEY_BYTES = 32
_NONCE_BYTES = 12
_ROOT, _CLI, _SEED = "root", "cli", "seed:"


class KeyFileError(Exception):
    """The key file cannot be used; the message says why and what to do, and holds no secret."""


@dataclass(frozen=True, slots=True)
class VersionKey:
    """One key-encryption key."""

    key: bytes = field(repr=False)
    made_at: int
    """Milliseconds since 1970 UTC; 0 for that of a home older than versions."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a ring holds, in clear; memory alone."""

    unlock: Unlock = field(repr=False)
    unlock_key: bytes = field(repr=False)
    current: int
    keys: Mapping[int, VersionKey]
    seeds: Mapping[str, str] = field(repr=False)
    """nkey seeds by role."""
    root: str = field(repr=False)
    """What PEM files are encrypted with, and other keys are derived from."""
    cli: str = field(repr=False)
    earlier: bool = False
    """The file is of the form before versions; `write` makes it one of this form."""


def read(path: Path, opener: Opener) -> Contents:
    """Read and open a key file.

    Raises:
        KeyFileError: missing, readable by others, damaged, or it does not open so.
    """
    try:
        data = read_private(path, KEY_FILE_BYTES_MAX)
    except PrivateFileError as error:
        raise KeyFileError(str(error)) from error
    try:
        document = msgspec.json.decode(data, type=_AnyDocument)
    except msgspec.DecodeError as error:
        raise KeyFileError(
            f"{path} is no key file ({error}); restore the file of this home"
        ) from None
    if isinstance(document, _Earlier):
        return _of_earlier(document)
    return _opened(path, document, opener)


def create(path: Path, contents: Contents) -> None:
    """Write a new file; raises KeyFileError when there is one or it cannot be written."""
    try:
        write_private(path, _encoded(contents))
    except PrivateFileError as error:
        raise KeyFileError(str(error)) from error


def replace(path: Path, contents: Contents) -> None:
    """Put the contents in the place of the file's; returns after fsync; raises KeyFileError."""
    try:
        replace_private(path, _encoded(contents))
    except PrivateFileError as error:
        raise KeyFileError(str(error)) from error


class _Version(msgspec.Struct, forbid_unknown_fields=True):
    number: int
    made_at: int
    wrapped: str
    """Base64: the key, encrypted with what the ring opens by."""


class _Document(msgspec.Struct, forbid_unknown_fields=True, tag_field="format", tag=2):
    unlock: Unlock
    current: int
    versions: list[_Version]
    sealed: dict[str, str]
    """The ring's own secrets, under the current version."""


class _Earlier(msgspec.Struct, forbid_unknown_fields=True, tag_field="format", tag=1):
    seeds: dict[str, str]
    ca_passphrase: str
    cli: str


_AnyDocument: TypeAlias = _Document | _Earlier


def _encoded(contents: Contents) -> bytes:
    current = contents.keys[contents.current].key
    secrets = {_ROOT: contents.root, _CLI: contents.cli}
    secrets |= {_SEED + role: seed for role, seed in contents.seeds.items()}
    document = _Document(
        unlock=contents.unlock,
        current=contents.current,
        versions=[
            _Version(number, version.made_at, _wrapped(contents, number, version))
            for number, version in sorted(contents.keys.items())
        ],
        sealed={
            name: sealed_under(contents.current, current, secret.encode(), _place(name))
            for name, secret in secrets.items()
        },
    )
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


def _opened(path: Path, document: _Document, opener: Opener) -> Contents:
    unlock = document.unlock
    try:
        key = unlock.own_key() if unlock.method is Method.FILE else opener(unlock)
    except UnlockingError as error:
        raise KeyFileError(str(error)) from error
    damaged = KeyFileError(f"{path} is damaged: its parts do not belong together; restore the file")
    keys: dict[int, VersionKey] = {}
    for version in document.versions:
        clear = _unwrapped(key, version)
        if clear is None:
            if unlock.method is Method.FILE or keys:
                raise damaged
            raise KeyFileError(
                f"this is not the passphrase that opens {path}; try again, or restore the key file"
                " that it belongs to"
            )
        keys[version.number] = VersionKey(clear, version.made_at)
    if document.current not in keys:
        raise damaged
    current = keys[document.current].key
    try:
        secrets = {
            name: opened_under(current, text, _place(name)).decode()
            for name, text in document.sealed.items()
        }
        return Contents(
            unlock=unlock,
            unlock_key=key,
            current=document.current,
            keys=keys,
            seeds={
                name.removeprefix(_SEED): secret
                for name, secret in secrets.items()
                if name.startswith(_SEED)
            },
            root=secrets[_ROOT],
            cli=secrets[_CLI],
        )
    except (SealingError, KeyError, ValueError):
        raise damaged from None


def _of_earlier(document: _Earlier) -> Contents:
    """Return the same contents each time, so that a file opens before it is written anew."""
    expand = HKDF(hashes.SHA256(), _KEY_BYTES, None, b"borough key ring version 1")
    unlock = Unlock.by_file()
    return Contents(
        unlock=unlock,
        unlock_key=unlock.own_key(),
        current=1,
        keys={1: VersionKey(expand.derive(document.ca_passphrase.encode()), 0)},
        seeds=document.seeds,
        root=document.ca_passphrase,
        cli=document.cli,
        earlier=True,
    )


def _wrapped(contents: Contents, number: int, version: VersionKey) -> str:
    nonce = os.urandom(_NONCE_BYTES)
    bound = _bound(number, version.made_at)
    wrapped = nonce + AESGCM(contents.unlock_key).encrypt(nonce, version.key, bound)
    return base64.b64encode(wrapped).decode()


def _unwrapped(key: bytes, version: _Version) -> bytes | None:
    bound = _bound(version.number, version.made_at)
    try:
        wrapped = base64.b64decode(version.wrapped, validate=True)
        return AESGCM(key).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):
        return None


def _bound(number: int, made_at: int) -> bytes:
    return f"borough key ring\0{number}\0{made_at}".encode()


def _place(name: str) -> str:
    return f"key ring\0{name}"
