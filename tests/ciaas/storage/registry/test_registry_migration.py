"""Migrations run on a copy; whatever happens, the file in place is one that works."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from ciaas.storage.registry import (
    SchemaTooNew,
    SchemaTooOld,
    Unavailable,
    Unusable,
    check,
    migrate,
    open_registry,
    schema,
)
from ciaas.storage.registry.migration import SHIPPED, Lineage

ADD_COLUMN = f"""
import os
import sqlalchemy as sa
from alembic import op
revision = "9999"
down_revision = "{SHIPPED.revisions[-1]}"
def upgrade():
    op.add_column("project", sa.Column("motto", sa.String))
    op.execute("UPDATE project SET motto = 'once ' || name")
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A registry of today's revision with one project in it."""
    path = tmp_path / "registry.db"
    migrate(path)
    with open_registry(path) as registry:
        registry.resources.create_project("quarter")
    return path


def tomorrow(tmp_path: Path, script: str = ADD_COLUMN) -> Lineage:
    """Return a lineage with one revision more than the shipped one."""
    scripts = tmp_path / "scripts"
    shipped = Path(schema.__file__).with_name("migrations")
    shutil.copytree(shipped, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / "r9999.py").write_text(script)
    return Lineage(str(scripts), (*SHIPPED.revisions, "9999"))


def query(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def names(tmp_path: Path) -> list[str]:
    return sorted(entry.name for entry in tmp_path.iterdir() if entry.is_file())


def test_the_revisions_make_the_tables_that_the_code_uses(path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert not compare_metadata(MigrationContext.configure(connection), schema.metadata)
    engine.dispose()


def test_the_list_of_revisions_is_that_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", SHIPPED.scripts)
    config.set_main_option("path_separator", "os")
    scripts = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(scripts)) == schema.REVISIONS


def test_a_fresh_file_is_made_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "city #1?.db"
    migrate(path)
    assert names(tmp_path) == [path.name]
    assert path.stat().st_mode & 0o777 == 0o600
    assert query(path, "PRAGMA journal_mode") == [("wal",)]
    check(path)


def test_a_file_that_is_up_to_date_is_left_alone(path: Path, tmp_path: Path) -> None:
    before = path.read_bytes()
    with open_registry(path):
        migrate(path)
    assert path.read_bytes() == before
    assert names(tmp_path) == [path.name]


def test_an_older_file_is_migrated_and_kept(path: Path, tmp_path: Path) -> None:
    lineage = tomorrow(tmp_path)
    with pytest.raises(SchemaTooOld, match=r"revision \d+, .* with 9999: `borough up` migrates"):
        check(path, lineage)
    migrate(path, lineage)
    check(path, lineage)
    assert query(path, "SELECT name, motto FROM project") == [("quarter", "once quarter")]
    assert query(path, "PRAGMA journal_mode") == [("wal",)]
    kept = tmp_path / "registry.db.before-9999"
    assert names(tmp_path) == [path.name, kept.name]
    assert kept.stat().st_mode & 0o777 == 0o600

    kept.replace(path)
    with open_registry(path) as registry:
        assert [project.name for project in registry.resources.projects()] == ["quarter"]


def test_a_newer_file_is_refused_and_left_alone(path: Path, tmp_path: Path) -> None:
    migrate(path, tomorrow(tmp_path))
    before = path.read_bytes()
    for attempt in (check, migrate, open_registry):
        with pytest.raises(SchemaTooNew, match=r"revision 9999, .*registry\.db\.before-9999"):
            attempt(path)
    assert path.read_bytes() == before


DYING_WRITER = """
import os, sys
from pathlib import Path
from ciaas.storage.registry import open_registry
open_registry(Path(sys.argv[1])).resources.create_project("late")
os._exit(9)
"""


def test_what_the_log_still_holds_is_migrated_too(path: Path, tmp_path: Path) -> None:
    """The writer was killed, so its last change is in the log alone."""
    assert (
        subprocess.run([sys.executable, "-c", DYING_WRITER, str(path)], check=False).returncode == 9
    )
    assert (tmp_path / "registry.db-wal").stat().st_size > 0
    migrate(path, tomorrow(tmp_path))
    assert query(path, "SELECT name FROM project ORDER BY id") == [("quarter",), ("late",)]
    assert query(tmp_path / "registry.db.before-9999", "SELECT name FROM project ORDER BY id") == [
        ("quarter",),
        ("late",),
    ]


MIGRATE = """
import os, sys
from pathlib import Path
from ciaas.storage.registry import migration
path, scripts, moment = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
if moment == "before the exchange":
    exchange = Path.replace
    def crash(self, target):
        if target == path:
            os._exit(9)
        return exchange(self, target)
    Path.replace = crash
migration.migrate(path, migration.Lineage(scripts, (*migration.SHIPPED.revisions, "9999")))
"""


@pytest.mark.parametrize("moment", ["within the upgrade", "before the exchange"])
def test_a_crash_leaves_the_old_file_and_the_next_start_migrates(
    path: Path, tmp_path: Path, moment: str
) -> None:
    dying = ADD_COLUMN + "    os._exit(9)\n" if moment == "within the upgrade" else ADD_COLUMN
    lineage = tomorrow(tmp_path, dying)
    arguments = [sys.executable, "-c", MIGRATE, str(path), lineage.scripts, moment]
    assert subprocess.run(arguments, check=False).returncode == 9
    assert (tmp_path / "registry.db.migrating").exists()
    with open_registry(path) as registry:
        assert [project.name for project in registry.resources.projects()] == ["quarter"]

    (tmp_path / "scripts" / "versions" / "r9999.py").write_text(ADD_COLUMN)
    migrate(path, lineage)
    assert query(path, "SELECT name, motto FROM project") == [("quarter", "once quarter")]
    assert names(tmp_path) == [path.name, "registry.db.before-9999"]


def test_a_failing_revision_leaves_the_old_file_alone(path: Path, tmp_path: Path) -> None:
    failing = ADD_COLUMN + '    op.execute("SELECT * FROM nowhere")\n'
    with pytest.raises(sa.exc.OperationalError, match="nowhere"):
        migrate(path, tomorrow(tmp_path, failing))
    assert names(tmp_path) == [path.name]
    check(path)


def test_a_migrated_copy_that_is_not_sound_is_not_exchanged(path: Path, tmp_path: Path) -> None:
    orphan = (
        "INSERT INTO source VALUES (1, 'x', 1); INSERT INTO overlay VALUES ('s', 'nobody', '{}', 1)"
    )
    unsound = ADD_COLUMN + f'    [op.execute(part) for part in "{orphan}".split(";")]\n'
    with pytest.raises(Unusable, match=r"not sound .*overlay.*left as it is"):
        migrate(path, tomorrow(tmp_path, unsound))
    assert names(tmp_path) == [path.name]
    check(path)


def test_a_file_in_use_is_not_migrated(path: Path, tmp_path: Path) -> None:
    lineage = tomorrow(tmp_path)
    with open_registry(path, read_only=True) as registry:
        registry.version()
        with pytest.raises(Unavailable, match="another process has it open: stop that one"):
            migrate(path, lineage)
    migrate(path, lineage)


def test_a_log_left_behind_by_a_removed_file_is_not_played_into_a_new_one(
    path: Path, tmp_path: Path
) -> None:
    with open_registry(path) as registry:
        registry.resources.create_project("of the removed file")
        log = tmp_path / "registry.db-wal"
        kept = log.read_bytes()
    path.unlink()
    log.write_bytes(kept)
    migrate(path)
    with open_registry(path) as registry:
        assert registry.resources.projects() == []
