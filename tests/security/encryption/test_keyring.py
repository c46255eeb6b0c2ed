"""The key file: made once, for its owner alone, and read with distrust."""

from __future__ import annotations

import json
import os
import re
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nkeys
import pytest

from security.encryption.keyring import KeyRing, KeyRingError, Role
from security.encryption.private_file import PrivateFileError, read_private
from security.limits import KEY_FILE_BYTES_MAX


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_what_was_created_is_what_is_opened(path: Path) -> None:
    created = KeyRing.create(path)
    opened = KeyRing.open(path)
    for role in Role:
        assert opened.seed(role) == created.seed(role)
        assert opened.public(role) == created.public(role)
    assert opened.ca_passphrase == created.ca_passphrase
    assert opened.cli == created.cli


def test_only_the_owner_can_read_it_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        KeyRing.create(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["keys.json"]


def test_keys_are_of_their_kind_and_all_different(path: Path) -> None:
    ring = KeyRing.create(path)
    for role in Role:
        kind = "A" if role is Role.ISSUER else "U"
        assert ring.seed(role).startswith("S" + kind)
        assert re.fullmatch(kind + "[A-Z2-7]{55}", ring.public(role))
    assert len({ring.seed(role) for role in Role}) == len(Role)
    assert len(ring.ca_passphrase) == 43
    assert re.fullmatch(r"bor_[\w-]{43}", ring.cli, re.ASCII)


def test_two_homes_share_no_secret(tmp_path: Path) -> None:
    one, other = KeyRing.create(tmp_path / "a.json"), KeyRing.create(tmp_path / "b.json")
    assert one.ca_passphrase != other.ca_passphrase and one.cli != other.cli
    assert not {one.seed(role) for role in Role} & {other.seed(role) for role in Role}


@pytest.mark.parametrize("role", list(Role))
def test_signatures_are_good_for_the_role_alone(path: Path, role: Role) -> None:
    ring = KeyRing.create(path)
    signature = ring.sign(role, b"nonce")
    assert nkeys.from_seed(ring.seed(role).encode()).verify(b"nonce", signature)
    another = Role.CORE if role is not Role.CORE else Role.FIELD
    with pytest.raises(nkeys.ErrInvalidSignature):
        nkeys.from_seed(ring.seed(another).encode()).verify(b"nonce", signature)


def test_nothing_secret_shows_when_it_is_printed(path: Path) -> None:
    assert repr(KeyRing.create(path)) == "<KeyRing>"


def test_an_existing_file_is_never_overwritten(path: Path) -> None:
    KeyRing.create(path)
    before = path.read_bytes()
    with pytest.raises(KeyRingError, match="exists already"):
        KeyRing.create(path)
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622, 0o700])
def test_wider_permissions_are_refused(path: Path, mode: int) -> None:
    KeyRing.create(path)
    path.chmod(mode)
    with pytest.raises(KeyRingError, match=f"mode {mode:04o}.*chmod 600"):
        KeyRing.open(path)


def test_a_missing_file_or_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyRingError, match=r"none/keys\.json cannot be read: No such file"):
        KeyRing.open(tmp_path / "none" / "keys.json")
    with pytest.raises(KeyRingError, match=r"none/keys\.json cannot be written: No such file"):
        KeyRing.create(tmp_path / "none" / "keys.json")


@contextmanager
def no_room_in_files(bytes_max: int) -> Iterator[None]:
    """Let the kernel end every file of this process there, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_nothing_behind(path: Path) -> None:
    with no_room_in_files(10), pytest.raises(KeyRingError, match="cannot be written: File too"):
        KeyRing.create(path)
    assert list(path.parent.iterdir()) == []
    assert KeyRing.create(path)


def test_a_file_longer_than_the_bound_is_not_read(path: Path) -> None:
    path.touch(0o600)
    path.write_bytes(b" " * KEY_FILE_BYTES_MAX)
    assert len(read_private(path, KEY_FILE_BYTES_MAX)) == KEY_FILE_BYTES_MAX
    path.write_bytes(b" " * (KEY_FILE_BYTES_MAX + 1))
    with pytest.raises(PrivateFileError, match="longer than 65536 bytes"):
        read_private(path, KEY_FILE_BYTES_MAX)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', "\x00", "null"])
def test_another_document_is_refused(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(KeyRingError, match="is no key file"):
        KeyRing.open(path)


@pytest.mark.parametrize(
    "change",
    [lambda document: document.update(format=2), lambda document: document.update(extra="x")],
)
def test_a_file_of_another_release_is_refused(
    path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    KeyRing.create(path)
    rewrite(path, change)
    with pytest.raises(KeyRingError, match="is no key file"):
        KeyRing.open(path)


def another_letter(text: str, index: int) -> str:
    return text[:index] + ("A" if text[index] != "A" else "B") + text[index + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda seeds: seeds.pop("core"),
        lambda seeds: seeds.update(core=""),
        lambda seeds: seeds.update(core="ü" * 58),
        lambda seeds: seeds.update(core=seeds["core"].lower()),
        lambda seeds: seeds.update(core=another_letter(seeds["core"], 30)),
        lambda seeds: seeds.update(core="X" + seeds["core"][1:]),
        lambda seeds: seeds.update(core=seeds["issuer"]),
    ],
)
def test_a_damaged_seed_is_found_at_once(
    path: Path, damage: Callable[[dict[str, str]], object]
) -> None:
    seed = KeyRing.create(path).seed(Role.CORE)
    rewrite(path, lambda document: damage(document["seeds"]))
    with pytest.raises(KeyRingError, match="no valid seed of the role 'core'") as refused:
        KeyRing.open(path)
    assert seed not in str(refused.value)


def test_a_home_of_an_earlier_release_gets_the_keys_that_it_lacks(path: Path) -> None:
    before = KeyRing.create(path)
    rewrite(path, lambda document: document["seeds"].pop("compose"))
    with pytest.raises(KeyRingError, match="compose"):
        KeyRing.open(path)
    completed = KeyRing.complete(path)
    assert completed.public(Role.COMPOSE) != before.public(Role.COMPOSE)
    assert completed.seed(Role.CORE) == before.seed(Role.CORE)
    assert KeyRing.open(path).seed(Role.COMPOSE) == completed.seed(Role.COMPOSE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    content = path.read_bytes()
    KeyRing.complete(path)
    assert path.read_bytes() == content, "nothing is written when nothing lacks"
