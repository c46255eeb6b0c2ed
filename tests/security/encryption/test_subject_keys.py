"""Keys of data subjects: a file each, and an erasure that holds through crashes and copies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from security.encryption import private_file
from security.encryption import subjects as module
from security.encryption.envelope import SealingError, version_of
from security.encryption.keyring import KeyRing
from security.encryption.private_file import PrivateFileError
from security.encryption.rewrap import Rewrap
from security.encryption.subjects import PURPOSE, SubjectErased, SubjectKeys, erased_in

ONE, TWO, FIVE, TWELVE = (f"{number:032x}" for number in (1, 2, 5, 12))


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing.create(tmp_path / "keys.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "subjects"


def of(ring: KeyRing, folder: Path) -> SubjectKeys:
    return SubjectKeys(folder, ring.envelope(PURPOSE))


def test_a_key_is_the_same_in_each_process_and_its_owners_alone(
    ring: KeyRing, folder: Path
) -> None:
    keys = of(ring, folder)
    assert keys.key(ONE) is None and keys.erased() == frozenset() and keys.count() == 0
    keys.make(ONE)
    keys.make(TWO)
    one = keys.key(ONE)
    assert one is not None and len(one) == 64 and one != keys.key(TWO)
    assert of(ring, folder).key(ONE) == one
    keys.make(ONE)
    assert keys.key(ONE) == one, "what is there stays"
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert all(one not in path.read_bytes() for path in folder.iterdir())


def test_an_erased_key_is_gone_for_every_process_and_never_made_again(
    ring: KeyRing, folder: Path
) -> None:
    keys = of(ring, folder)
    keys.make(ONE)
    keys.make(TWO)
    keys.erase(ONE)
    keys.erase(ONE)
    for process in (keys, of(ring, folder)):
        assert process.key(ONE) is None and process.key(TWO) is not None
        assert process.erased() == {ONE}
        with pytest.raises(SubjectErased):
            process.make(ONE)
    assert sorted(path.name for path in folder.iterdir()) == [f"{TWO}.key", "erased"]


def test_a_key_that_a_crash_or_a_copy_left_does_not_open_once_it_is_listed(
    ring: KeyRing, folder: Path, tmp_path: Path
) -> None:
    keys = of(ring, folder)
    keys.make(ONE)
    kept = shutil.copytree(folder, tmp_path / "copy")
    keys.erase(ONE)
    shutil.copy(kept / f"{ONE}.key", folder / f"{ONE}.key")
    assert of(ring, folder).key(ONE) is None


def test_an_erasure_that_cannot_be_listed_destroys_nothing(
    ring: KeyRing, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = of(ring, folder)
    keys.make(ONE)

    def full(path: Path, text: str) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(module, "_append", full)
    with pytest.raises(OSError, match="disk is full"):
        keys.erase(ONE)
    assert keys.key(ONE) is not None and of(ring, folder).key(ONE) is not None


@pytest.mark.parametrize("torn", [ONE, f"{ONE}\n{TWO}", f"\n\n{ONE}\nx\n{ONE[:-1]}\n{TWO}"])
def test_a_line_that_a_crash_tore_names_nobody_and_swallows_none(
    ring: KeyRing, folder: Path, torn: str
) -> None:
    folder.mkdir()
    (folder / "erased").write_text(torn)
    whole = {line for line in torn.split("\n")[:-1] if len(line) == 32}
    assert erased_in(folder) == whole
    of(ring, folder).erase(TWELVE)
    assert erased_in(folder) >= whole | {TWELVE}


def test_a_key_moved_to_another_id_or_damaged_does_not_open(ring: KeyRing, folder: Path) -> None:
    keys = of(ring, folder)
    keys.make(ONE)
    shutil.copy(folder / f"{ONE}.key", folder / f"{TWO}.key")
    with pytest.raises(SealingError):
        of(ring, folder).key(TWO)
    (folder / f"{ONE}.key").write_bytes(b"\xff")
    with pytest.raises(SealingError, match=r"1\.key is damaged"):
        of(ring, folder).key(ONE)
    (folder / f"{ONE}.key").write_bytes(b"x" * (module._FILE_BYTES_MAX + 1))
    with pytest.raises(PrivateFileError, match="longer than"):
        of(ring, folder).key(ONE)


def test_a_rotation_takes_them_along_and_leaves_the_erased_ones(
    ring: KeyRing, folder: Path
) -> None:
    keys = of(ring, folder)
    for number in range(1, 13):
        keys.make(f"{number:032x}")
    before = keys.key(TWELVE)
    ring.rotate()
    work = Rewrap(ring.envelope, lambda: ring.version, (keys,))
    found = keys.page("", 5)
    assert [sealed.key for sealed in found] == [f"{number:032x}" for number in range(1, 6)]
    keys.erase(FIVE)
    keys.replace([(sealed, "v2.9.x.y") for sealed in found if sealed.key == FIVE])
    assert not (folder / f"{FIVE}.key").exists()
    work.work()
    assert work.progress.rewrapped == 11 and work.progress.failed == 0
    assert {version_of(path.read_text()) for path in folder.glob("*.key")} == {2}
    ring.forget(1)
    assert of(ring, folder).key(TWELVE) == before


def test_a_file_that_is_none_of_ours_is_told_by_the_rewrap(ring: KeyRing, folder: Path) -> None:
    keys = of(ring, folder)
    keys.make(ONE)
    (folder / f"{TWO}.key").write_text("something else")
    (folder / "notes.key").write_text("ignored")
    work = Rewrap(ring.envelope, lambda: ring.version, (keys,))
    work.work()
    assert work.progress.failures == [f"data subjects: {TWO}"] and work.progress.seen == 2


def test_no_key_is_made_where_nothing_can_be_written(
    ring: KeyRing, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(private_file, "_write_durably", full)
    keys = of(ring, folder)
    with pytest.raises(PrivateFileError, match="No space left"):
        keys.make(ONE)
    assert keys.key(ONE) is None
