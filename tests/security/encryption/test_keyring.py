"""The key file: made once, for its owner alone, and read with distrust."""

from __future__ import annotations

import base64
import dataclasses
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

from security.encryption import keyfile, keyring
from security.encryption.envelope import SealingError, version_of
from security.encryption.keyring import KeyRing, KeyRingError, Role
from security.encryption.private_file import PrivateFileError, read_private
from security.encryption.unlocking import nobody_asks
from security.limits import (
    KEY_FILE_BYTES_MAX,
    KEY_VERSIONS_MAX,
    UNLOCK_LANES_MAX,
    UNLOCK_MEMORY_KIB_MAX,
    UNLOCK_PASSES_MAX,
)


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
    [
        lambda document: document.update(format=3),
        lambda document: document.update(extra="x"),
        lambda document: document["unlock"].update(method="guess"),
        lambda document: document["unlock"].update(memory_kib=UNLOCK_MEMORY_KIB_MAX + 1),
        lambda document: document["unlock"].update(passes=UNLOCK_PASSES_MAX + 1),
        lambda document: document["unlock"].update(lanes=UNLOCK_LANES_MAX + 1),
    ],
)
def test_a_file_of_another_release_is_refused(
    path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    KeyRing.create(path)
    rewrite(path, change)
    with pytest.raises(KeyRingError, match="is no key file"):
        KeyRing.open(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["unlock"].update(key="AAAA"),
        lambda document: document["unlock"].update(key="ü"),
        lambda document: document["unlock"].update(key=base64.b64encode(bytes(32)).decode()),
        lambda document: document.update(current=7),
        lambda document: document["versions"][0].update(made_at=1),
        lambda document: document["versions"][0].update(number=2),
        lambda document: document["versions"][0].update(wrapped="!"),
        lambda document: document["sealed"].pop("cli"),
        lambda document: document["sealed"].update(cli=document["sealed"]["root"]),
        lambda document: document["sealed"].update(cli="v2.1.x.y"),
    ],
)
def test_a_part_that_was_changed_or_moved_is_found_at_once(
    path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    secret = KeyRing.create(path).cli
    rewrite(path, change)
    with pytest.raises(KeyRingError, match="restore the file") as refused:
        KeyRing.open(path)
    assert secret not in str(refused.value)


def test_no_secret_of_the_ring_lies_in_its_file_in_clear(path: Path) -> None:
    ring = KeyRing.create(path)
    content = path.read_bytes()
    secrets = [ring.ca_passphrase, ring.cli.encode(), *(ring.seed(r).encode() for r in Role)]
    secrets += [base64.b64encode(ring.current()[1]), base64.urlsafe_b64encode(ring.current()[1])]
    assert not [secret for secret in secrets if secret in content]


def earlier_document(ring: KeyRing) -> dict[str, Any]:
    """Return the key file as the first release wrote it."""
    return {
        "format": 1,
        "seeds": {role.value: ring.seed(role) for role in Role},
        "ca_passphrase": ring.ca_passphrase.decode(),
        "cli": ring.cli,
    }


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
    ring = KeyRing.create(path)
    document = earlier_document(ring)
    damage(document["seeds"])
    path.write_text(json.dumps(document))
    with pytest.raises(KeyRingError, match="no valid seed of the role 'core'") as refused:
        KeyRing.open(path)
    assert ring.seed(Role.CORE) not in str(refused.value)


def test_a_home_of_an_earlier_release_gets_the_keys_that_it_lacks(path: Path) -> None:
    before = KeyRing.create(path)
    document = earlier_document(before)
    document["seeds"].pop("compose")
    path.write_text(json.dumps(document))
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


def test_a_file_of_the_first_release_opens_alike_before_and_after_it_is_written_anew(
    path: Path,
) -> None:
    before = KeyRing.create(path)
    path.write_text(json.dumps(earlier_document(before)))
    opened = KeyRing.open(path)
    text = opened.envelope("webhooks").seal(b"secret", "1")
    assert opened.derived("webhooks") == before.derived("webhooks")
    completed = KeyRing.complete(path)
    assert json.loads(path.read_text())["format"] == 2
    for ring in (completed, KeyRing.open(path)):
        assert ring.ca_passphrase == before.ca_passphrase and ring.cli == before.cli
        assert ring.envelope("webhooks").open(text, "1") == b"secret"
        assert ring.derived("webhooks") == before.derived("webhooks")


def test_keys_for_two_purposes_differ_and_last_as_long_as_the_home(tmp_path: Path) -> None:
    keys = KeyRing.create(tmp_path / "keys.json")
    keys.rotate()
    again = KeyRing.open(tmp_path / "keys.json")
    assert keys.derived("webhooks") == again.derived("webhooks")
    assert len(keys.derived("webhooks")) == 32
    assert keys.derived("webhooks") != keys.derived("adapters")
    assert keys.derived("webhooks") != KeyRing.create(tmp_path / "other.json").derived("webhooks")


# -- versions


def test_a_rotation_seals_anew_and_opens_what_was_sealed_before(path: Path) -> None:
    ring = KeyRing.create(path)
    before = ring.envelope("webhooks").seal(b"old", "1")
    cli = ring.cli
    assert ring.rotate() == 2
    after = ring.envelope("webhooks").seal(b"new", "1")
    assert (version_of(before), version_of(after)) == (1, 2)
    for opened in (ring, KeyRing.open(path)):
        assert opened.envelope("webhooks").open(before, "1") == b"old"
        assert opened.envelope("webhooks").open(after, "1") == b"new"
        assert opened.version == 2 and list(opened.versions) == [1, 2]
        assert opened.cli == cli
    assert all(text.startswith("v2.2.") for text in json.loads(path.read_text())["sealed"].values())


def test_another_process_learns_of_a_rotation_when_it_meets_one(path: Path) -> None:
    core = KeyRing.create(path)
    field = KeyRing.open(path)
    core.rotate()
    text = core.envelope("adapter secrets").seal(b"secret", "1")
    assert field.version == 1
    assert field.envelope("adapter secrets").open(text, "1") == b"secret"
    assert field.version == 2


def test_what_lies_under_a_version_that_was_forgotten_is_lost(path: Path) -> None:
    ring = KeyRing.create(path)
    text = ring.envelope("webhooks").seal(b"old", "1")
    with pytest.raises(KeyRingError, match="version 1 is the current one; rotate first"):
        ring.forget(1)
    ring.rotate()
    ring.forget(1)
    for opened in (ring, KeyRing.open(path)):
        with pytest.raises(SealingError, match="version 1 of the key ring"):
            opened.envelope("webhooks").open(text, "1")
    with pytest.raises(KeyRingError, match="has no version 1"):
        ring.forget(1)
    assert ring.rotate() == 3, "a number is never given twice"


def test_there_are_no_more_versions_than_there_may_be(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert KEY_VERSIONS_MAX == 100
    monkeypatch.setattr(keyring, "KEY_VERSIONS_MAX", 3)
    ring = KeyRing.create(path)
    assert (ring.rotate(), ring.rotate()) == (2, 3)
    with pytest.raises(KeyRingError, match=r"holds 3 versions.*borough keys forget"):
        ring.rotate()
    assert KeyRing.open(path).version == 3


def test_as_many_versions_as_there_may_be_fit_into_the_file(path: Path) -> None:
    KeyRing.create(path)
    contents = keyfile.read(path, nobody_asks)
    keys = {number: contents.keys[1] for number in range(1, KEY_VERSIONS_MAX + 1)}
    keyfile.replace(path, dataclasses.replace(contents, keys=keys))
    assert path.stat().st_size < KEY_FILE_BYTES_MAX
    assert len(KeyRing.open(path).versions) == KEY_VERSIONS_MAX


def test_a_rotation_that_cannot_be_written_changes_nothing(path: Path) -> None:
    ring = KeyRing.create(path)
    before = path.read_bytes()
    with no_room_in_files(10), pytest.raises(KeyRingError, match="cannot be written"):
        ring.rotate()
    assert ring.version == 1 and path.read_bytes() == before
