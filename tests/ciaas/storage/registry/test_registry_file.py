"""What the registry's file may suffer, and the sentence that its owner reads then."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ciaas.limits import REGISTRY_WAL_BYTES_MAX
from ciaas.storage.registry import Unavailable, Unusable, database, migrate, open_registry
from ciaas.storage.registry.database import Database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "registry.db"
    migrate(path)
    return path


def test_a_missing_file_is_not_made_by_opening(tmp_path: Path) -> None:
    for read_only in (False, True):
        with pytest.raises(Unusable, match=r"no registry at .*: `borough up` makes one"):
            open_registry(tmp_path / "registry.db", read_only)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"not a database, but long enough to be looked at" * 99, "damaged or not an SQLite"),
        (b"SQLite format 3\x00" + b"\xff" * 8_192, "damaged or not an SQLite"),
        (b"", "is no registry: move it away"),
    ],
)
def test_a_file_that_is_no_registry_is_refused_untouched(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    path = tmp_path / "registry.db"
    path.write_bytes(content)
    for attempt in (open_registry, migrate):
        with pytest.raises(Unusable, match=sentence):
            attempt(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
    with pytest.raises(Unusable, match="is no registry"):
        migrate(path)


def test_damage_found_while_running_is_named(path: Path) -> None:
    with open_registry(path) as registry:
        registry.resources.create_project("quarter")
    content = path.read_bytes()
    path.write_bytes(content[:4_096] + b"\xff" * (len(content) - 4_096))
    with pytest.raises(Unusable, match=r"damaged .*: restore it from a backup"):
        open_registry(path).resources.projects()


def test_a_directory_in_its_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"cannot be used .*: check disk and permissions"):
        open_registry(tmp_path)


def test_a_full_disk_changes_nothing_and_ends_when_there_is_space(path: Path) -> None:
    """SQLite's own bound on pages stands for the disk: it fails at the same place in a commit."""
    store = Database(path, read_only=False)
    insert = "INSERT INTO project (name, version) VALUES (hex(randomblob(50000)), 1)"
    with store.change() as change:
        (pages,) = change.connection.exec_driver_sql("PRAGMA page_count").one()
        change.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(Unavailable, match="the disk is full, nothing was changed"):
        with store.change() as change:
            change.stamp()
            change.connection.exec_driver_sql(insert)
    assert store.version() == 0
    with store.change() as change:
        change.connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    with store.change() as change:
        change.stamp()
        change.connection.exec_driver_sql(insert)
    assert store.version() == 1
    store.close()


def test_a_change_waits_for_another_process_only_so_long(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "REGISTRY_BUSY_S", 0.05)
    with open_registry(path) as registry, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match=r"held by another process .*; try again"):
            registry.resources.create_project("quarter")
        assert registry.resources.projects() == [], "reading goes on"
        other.execute("ROLLBACK")
        registry.resources.create_project("quarter")


def test_a_change_waits_for_another_thread_only_so_long(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "REGISTRY_BUSY_S", 0.05)
    with open_registry(path) as registry:
        store = registry.resources._database
        with store.change(), pytest.raises(Unavailable, match="took too long; try again"):
            registry.resources.create_project("quarter")
        registry.resources.create_project("quarter")


def test_readers_beyond_the_bound_wait_only_so_long(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "REGISTRY_BUSY_S", 0.05)
    monkeypatch.setattr(database, "REGISTRY_READERS_MAX", 2)
    store = Database(path, read_only=True)
    with store.read(), store.read(), pytest.raises(Unavailable, match="all connections were busy"):
        store.version()
    assert store.version() == 0
    store.close()


def test_a_reading_connection_cannot_write(path: Path) -> None:
    store = Database(path, read_only=False)
    with pytest.raises(Unavailable, match="readonly"), store.read() as connection:
        connection.exec_driver_sql("UPDATE state SET version = 9")
    assert store.version() == 0
    store.close()


def test_every_commit_is_synced_and_the_log_is_cut_back(path: Path) -> None:
    with closing(database.connect(path, query_only=False)) as connection:
        settings = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("synchronous", "journal_mode", "journal_size_limit", "foreign_keys")
        }
    assert settings == {
        "synchronous": 2,
        "journal_mode": "wal",
        "journal_size_limit": REGISTRY_WAL_BYTES_MAX,
        "foreign_keys": 1,
    }


def test_closing_empties_the_log_into_the_file(path: Path, tmp_path: Path) -> None:
    with open_registry(path) as registry:
        registry.resources.create_project("quarter")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_change_that_fails_is_undone_and_not_announced(path: Path) -> None:
    store = Database(path, read_only=False)
    announced: list[int] = []
    store.on_change(announced.append)
    with pytest.raises(ZeroDivisionError):
        with store.change() as change:
            assert change.stamp() == change.stamp() == 1
            raise ZeroDivisionError
    assert (store.version(), announced) == (0, [])
    with store.change() as change:
        change.stamp()
    assert announced == [1]
    store.close()
