"""A backup of stores in use, brought back into an empty home where everything is as it was."""

from __future__ import annotations

import hashlib
import io
import shutil
import sqlite3
import tarfile
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from borough import archive
from borough.archive import check
from borough.clock import MachineClock
from borough.home import Home, HomeError
from borough.restoring import restore
from borough.roles import backup as backup_module
from borough.roles.adapter_means import SealedSecrets
from borough.roles.backup import Backup
from borough.roles.sealing import Sealing
from borough.wiring import create_keys, open_keys
from ciaas.ports import Conflict, DiskFull, HistoryError, Interrupted, Span
from ciaas.storage import copies
from ciaas.storage.history import DuckHistory, copying, open_history
from ciaas.storage.history import store as store_module
from ciaas.storage.record import RecordFile
from ciaas.storage.registry import Registry, migrate, open_registry
from security.aaa.checkpoints import Signer
from security.aaa.levels import Level
from security.encryption.authority import Authority
from security.encryption.keyring import KeyRing
from security.encryption.subjects import PURPOSE, SubjectKeys
from security.ports import Grant, GroupGrant
from tests.contract.history_rows import frame

CLOCK = MachineClock()


@dataclass
class City:
    """The stores of a home, open as core has them."""

    home: Home
    keys: KeyRing
    registry: Registry
    history: DuckHistory
    record: RecordFile
    sealing: Sealing
    backup: Backup

    def save(self, path: Path) -> Path:
        with path.open("wb") as file:
            for piece in self.backup.pack():
                file.write(piece)
        return path


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home as a first start makes it, to be copied: making its keys takes a second."""
    home = Home(tmp_path_factory.mktemp("ground"))
    home.prepare()
    Authority.create(home.authority, create_keys(home).ca_passphrase, CLOCK.now_ms)
    migrate(home.registry)
    return home.path


@pytest.fixture
def city(tmp_path: Path, ground: Path) -> Iterator[City]:
    home = Home(shutil.copytree(ground, tmp_path / "home"))
    keys = open_keys(home)
    (home.path / "borough.toml").write_text('project = "parks"\n')
    home.compose.mkdir(exist_ok=True)
    (home.compose / "plain.txt").write_text("text")
    with sqlite3.connect(home.compose / "state.sqlite") as remembered:
        remembered.execute("PRAGMA journal_mode = WAL")
        remembered.execute("CREATE TABLE frame (data BLOB)")
        remembered.execute("INSERT INTO frame VALUES (x'01')")
        remembered.commit()
        home.objects.mkdir()
        (home.objects / "content").write_bytes(b"x" * 1_000)
        with (
            open_registry(home.registry) as registry,
            open_history(home.history, clock=CLOCK) as history,
            RecordFile(home.audit, CLOCK.now_ms) as record,
        ):
            sealing = Sealing(
                record,
                Signer(keys.record_key),
                registry.checkpoints,
                home.audit,
                CLOCK.now_ms,
            )
            sealing.begin()
            opened = City(
                home, keys, registry, history, record, sealing,
                Backup(home, history, record, CLOCK.now_ms),
            )  # fmt: skip
            fill(opened)
            yield opened
    remembered.close()


def fill(city: City) -> None:
    project = city.registry.resources.create_project("parks")
    uuid = city.registry.resources.create_endpoint(project.id, "lamp", {}).uuid
    ada = city.registry.accounts.add_user("ada", None, False)
    city.registry.grants.put_grant(Grant(ada.id, ("1", uuid), Level.READ))
    staff = city.registry.groups.add_group("staff")
    city.registry.groups.put_group_grant(GroupGrant(staff.id, ("1",), Level.BROWSE))
    for number in range(5):
        city.history.record(frame(*((point, 1_000 * number, 0.5) for point in (1, 2, 3))))
        city.record.append({"kind": "access", "n": number})
    city.sealing.look(last=True)
    city.record.append({"kind": "access", "n": 5})


def series(history: DuckHistory) -> list[tuple[int, int, float]]:
    span = Span(np.array([1, 2, 3], np.uint32), None, None, 1_000)
    found = history.series(span)
    return list(zip(found.point.tolist(), found.observed.tolist(), found.num.tolist(), strict=True))


def test_everything_comes_back_but_the_key_file(city: City, tmp_path: Path) -> None:
    saved = city.save(tmp_path / "city.tar")
    kept = tmp_path / "keys.json"
    kept.write_bytes(city.home.keys.read_bytes())
    with tarfile.open(saved) as opened:
        names = opened.getnames()
    assert "keys.json" not in names
    assert names[-1] == "manifest.json"
    secret = city.keys.cli.encode()
    assert secret not in saved.read_bytes() and city.keys.ca_passphrase not in saved.read_bytes()
    empty = Home(tmp_path / "empty")
    found = restore(empty, saved, kept)
    assert (found.samples, found.commits, found.endpoints, found.grants) == (15, 5, 1, 2)
    assert found.record.startswith("in order: 6 records")
    with (
        open_history(empty.history, clock=CLOCK) as history,
        open_registry(empty.registry) as registry,
        RecordFile(empty.audit, CLOCK.now_ms) as record,
    ):
        assert series(history) == series(city.history)
        assert list(history.commits(0))[-1].number == 5
        assert registry.grants.grants() == city.registry.grants.grants()
        assert registry.groups.group_grants() == city.registry.groups.group_grants()
        assert record.head == city.record.head
        assert list(record.read(0, 10)) == list(city.record.read(0, 10))
        history.record(frame((1, 9_000, 1.0)))
        record.append({"goes": "on"})
    assert (empty.path / "borough.toml").read_text() == 'project = "parks"\n'
    assert (empty.objects / "content").read_bytes() == b"x" * 1_000
    assert (empty.compose / "plain.txt").read_text() == "text"
    remembered = sqlite3.connect(empty.compose / "state.sqlite")
    assert remembered.execute("SELECT data FROM frame").fetchall() == [(b"\x01",)]
    remembered.close()
    assert empty.keys.stat().st_mode & 0o777 == 0o600


def test_commits_go_on_while_it_is_made_and_what_it_holds_is_one_moment(
    city: City, tmp_path: Path
) -> None:
    stop, made = threading.Event(), threading.Event()
    project = city.registry.resources.projects()[0].id

    def commit() -> None:
        number = 0
        while not stop.is_set():
            # As a device does: registered first, then recorded.
            city.registry.resources.create_endpoint(project, f"lamp {number}", {})
            city.history.record(frame((1, 10_000 + number, float(number))))
            city.record.append({"kind": "access", "n": number})
            number += 1
            made.set()

    writing = threading.Thread(target=commit)
    writing.start()
    assert made.wait(10)
    try:
        saved = [city.save(tmp_path / f"{number}.tar") for number in range(3)]
    finally:
        stop.set()
        writing.join()
    for number, path in enumerate(saved):
        home = Home(tmp_path / f"home {number}")
        home.path.mkdir()
        home.keys.touch(0o600)
        home.keys.write_bytes(city.home.keys.read_bytes())
        found = restore(home, path, None)
        commits = found.commits - 5
        assert commits > 0
        # At most one endpoint was registered whose sample waited.
        assert 0 <= found.endpoints - 1 - commits <= 1


def test_one_backup_at_a_time_and_one_that_is_not_taken_is_tidied_up(
    city: City, tmp_path: Path
) -> None:
    pieces = city.backup.pack()
    with pytest.raises(Conflict, match="another backup is under way"):
        city.backup.pack()
    del pieces
    assert not (city.home.run / "backup").exists()
    assert not city.home.history.with_name("history.duckdb.copy").exists()
    check(city.save(tmp_path / "city.tar"))


def test_no_room_is_said_before_anything_is_sent(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_module, "FREE_BYTES_MIN", 10**18)
    with pytest.raises(DiskFull, match="a backup needs"):
        city.backup.pack()
    monkeypatch.undo()
    for _ in city.backup.pack():
        pass


def test_a_copy_gives_up_when_commits_are_held_up(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "HISTORY_COPY_WAIT_S", 0.05)
    with city.history._writing, pytest.raises(Interrupted, match="try again"):
        city.history.copy(lambda: None)
    city.history.copy(lambda: None).unlink()


def test_a_copy_waits_for_queries_that_began_meanwhile_and_not_for_ever(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "HISTORY_COPY_RELEASE_S", 0.2)
    begun: list[AbstractContextManager[object]] = []

    def held() -> None:
        reading = city.history._tables.reading()
        reading.__enter__()
        begun.append(reading)

    with pytest.raises(Interrupted, match="a long query"):
        city.history.copy(held)
    begun[0].__exit__(None, None, None)
    city.history.copy(lambda: None).unlink()


def test_a_database_that_another_process_locks_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "COPY_BUSY_S", 0.1)
    source = tmp_path / "locked.sqlite"
    with closing(sqlite3.connect(source, isolation_level=None)) as owner:
        owner.execute("CREATE TABLE held (x)")
        owner.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked by another process"):
            copies.copy_sqlite(source, tmp_path / "copy.sqlite")
        owner.execute("COMMIT")
        copies.copy_sqlite(source, tmp_path / "copy.sqlite")


def test_a_history_in_memory_is_not_copied() -> None:
    with open_history(None, clock=CLOCK) as history:
        with pytest.raises(HistoryError, match="in memory"):
            history.copy(lambda: None)


@pytest.mark.parametrize("damage", ["broken off", "changed", "foreign", "no tar"])
def test_an_archive_that_is_not_whole_brings_nothing_back(
    city: City, tmp_path: Path, damage: str
) -> None:
    saved = city.save(tmp_path / "city.tar")
    data = bytearray(saved.read_bytes())
    if damage == "broken off":
        data = data[: len(data) // 2]
    elif damage == "changed":
        data[data.index(b'"n":0')] ^= 1
    elif damage == "foreign":
        with tarfile.open(saved, "a") as opened:
            entry = tarfile.TarInfo("../../escape")
            entry.size = 1
            opened.addfile(entry, io.BytesIO(b"x"))
        data = bytearray(saved.read_bytes())
    else:
        data = bytearray(hashlib.sha256(data).digest() * 100)
    saved.write_bytes(data)
    home = Home(tmp_path / "empty")
    with pytest.raises(HomeError, match=r"use another|broken off|in no backup"):
        restore(home, saved, city.home.keys)
    assert not home.path.exists()
    assert not (tmp_path / "escape").exists()


def test_a_restore_never_overwrites_and_wants_the_right_keys(city: City, tmp_path: Path) -> None:
    saved = city.save(tmp_path / "city.tar")
    with pytest.raises(HomeError, match=r"holds registry\.sqlite already"):
        restore(city.home, saved, None)
    empty = Home(tmp_path / "empty")
    with pytest.raises(HomeError, match=r"with --keys keys\.json"):
        restore(empty, saved, None)
    other = Home(tmp_path / "other")
    other.path.mkdir()
    create_keys(other)
    with pytest.raises(HomeError, match="not of the home that was backed up"):
        restore(empty, saved, other.keys)
    with pytest.raises(HomeError, match="leave --keys out"):
        restore(other, saved, city.home.keys)
    with pytest.raises(HomeError, match="cannot be read"):
        restore(empty, saved, tmp_path / "no keys")
    assert [path.name for path in empty.path.iterdir()] == []
    restore(empty, saved, city.home.keys)


def test_a_record_that_was_altered_before_the_backup_is_told(city: City, tmp_path: Path) -> None:
    [path] = city.home.audit.glob("record-*")
    path.write_bytes(path.read_bytes().replace(b'"n":2', b'"n":9', 1))
    saved = city.save(tmp_path / "city.tar")
    empty = Home(tmp_path / "empty")
    with pytest.raises(HomeError, match="record that came back is not in order: bad record 3"):
        restore(empty, saved, city.home.keys)
    assert not empty.registry.exists() and not empty.keys.exists()


def test_an_archive_of_a_later_form_is_refused(
    city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_module, "FORM", 2)
    saved = city.save(tmp_path / "city.tar")
    with pytest.raises(HomeError, match="has form 2, this version reads 1"):
        archive.check(saved)


def test_a_key_file_from_before_the_last_rotation_is_refused(city: City, tmp_path: Path) -> None:
    older = tmp_path / "older keys.json"
    shutil.copy(city.home.keys, older)
    city.keys.rotate()
    SealedSecrets(city.home.secrets, city.keys).keep("gateway", "gateway.example", "secret")
    saved = city.save(tmp_path / "city.tar")
    empty = Home(tmp_path / "empty")
    with pytest.raises(HomeError, match=r"older than the backup.* version 1 .* lie under 2"):
        restore(empty, saved, older)
    assert not empty.registry.exists() and not empty.keys.exists()
    restore(empty, saved, city.home.keys)
    kept = SealedSecrets(empty.secrets, open_keys(empty))
    assert kept.secret("gateway", "gateway.example") == "secret"


def test_keys_of_data_subjects_come_apart_and_erased_ones_never(city: City, tmp_path: Path) -> None:
    ada, bob = "a" * 32, "b" * 32
    subjects = SubjectKeys(city.home.subjects, city.keys.envelope(PURPOSE))
    subjects.make(ada)
    subjects.make(bob)
    saved = city.save(tmp_path / "city.tar")
    with tarfile.open(saved) as opened:
        assert not [name for name in opened.getnames() if "subjects" in name]
    copy = shutil.copytree(city.home.subjects, tmp_path / "copy")
    (copy / "stray").write_text("not ours")
    subjects.erase(ada)
    shutil.copy(city.home.subjects / "erased", copy / "erased")
    empty = Home(tmp_path / "empty")
    restore(empty, saved, city.home.keys, copy)
    assert sorted(path.name for path in empty.subjects.iterdir()) == [f"{bob}.key", "erased"]
    brought = SubjectKeys(empty.subjects, open_keys(empty).envelope(PURPOSE))
    assert brought.key(bob) == subjects.key(bob) and brought.key(ada) is None


def test_a_folder_of_subjects_that_cannot_serve_is_refused(city: City, tmp_path: Path) -> None:
    saved = city.save(tmp_path / "city.tar")
    empty = Home(tmp_path / "empty")
    with pytest.raises(HomeError, match="is no folder of keys of data subjects"):
        restore(empty, saved, city.home.keys, tmp_path / "nowhere")
    assert not empty.registry.exists() and not empty.subjects.exists()
    empty.subjects.mkdir()
    with pytest.raises(HomeError, match="leave --subjects out"):
        restore(empty, saved, city.home.keys, empty.subjects)
    restore(empty, saved, city.home.keys)
