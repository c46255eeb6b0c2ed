"""The home: its directories, its locks and what is said when it cannot be used."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections import namedtuple
from pathlib import Path

import pytest

from borough.home import FREE_BYTES_MIN, Home, HomeError, Lock

_Usage = namedtuple("_Usage", "total used free")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "deep" / "home")
    home.prepare()
    return home


def test_directories_are_made_for_their_owner_alone(home: Home) -> None:
    directories = [home.audit, home.authority, home.broker, home.run, home.logs, home.spool]
    for directory in (home.path, *directories):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {path for path in home.path.iterdir()} == set(directories)
    assert not any(home.run.iterdir()), "the probe is gone"


def test_preparing_again_changes_nothing(home: Home) -> None:
    (home.audit / "kept").write_text("as it was")
    home.prepare()
    assert (home.audit / "kept").read_text() == "as it was"


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(HomeError, match=r"home cannot be written \(File exists\); mend its"):
        Home(tmp_path / "home").prepare()


def test_little_room_is_refused_before_anything_stops(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = FREE_BYTES_MIN
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Usage(0, 0, free))
    home.prepare()
    free -= 1
    with pytest.raises(HomeError, match="is full; free at least 64 MB"):
        home.prepare()


def test_the_status_is_replaced_whole(home: Home) -> None:
    assert home.read_status() is None
    home.write_status({"pid": 1})
    home.write_status({"pid": 2, "roles": {}})
    assert home.read_status() == {"pid": 2, "roles": {}}
    assert [path.name for path in home.run.iterdir()] == ["status.json"]


def test_a_lock_is_held_by_one_and_names_its_holder(home: Home) -> None:
    mine, theirs = Lock(home, "watch"), Lock(home, "watch")
    mine.take()
    assert not theirs.free()
    with pytest.raises(HomeError, match=rf"already runs on this home \(pid {os.getpid()}\)"):
        theirs.take()
    mine.release()
    asking = Lock(home, "watch")
    assert theirs.free()
    assert asking.free(), "who asks does not bar others who ask"
    theirs.take()
    for lock in (theirs, asking):
        lock.release()


def test_a_role_that_inherited_the_lock_holds_it_until_it_ends(home: Home) -> None:
    lock = Lock(home, "core")
    lock.take()
    role = subprocess.Popen(["sleep", "1000"], pass_fds=[lock.fileno()])
    lock.name_holder(role.pid)
    lock.release()
    next_start = Lock(home, "core")
    try:
        expected = rf"the role core of an earlier start is still alive \(pid {role.pid}\)"
        with pytest.raises(HomeError, match=expected):
            next_start.take(wait_s=0.2)
    finally:
        role.kill()
        role.wait()
    next_start.take(wait_s=10)
    next_start.release()


def test_a_lock_is_waited_for(home: Home) -> None:
    lock = Lock(home, "core")
    lock.take()
    ending = subprocess.Popen(["sleep", "0.3"], pass_fds=[lock.fileno()])
    lock.release()
    patient = Lock(home, "core")
    patient.take(wait_s=30)
    assert ending.wait() == 0
    patient.release()


def test_a_lock_holds_though_its_holder_cannot_be_named(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    """As on a full disk; /dev/full takes no byte."""
    (home.run / "core.lock").symlink_to("/dev/full")
    lock = Lock(home, "core")
    lock.name_holder(1)
    assert "the holder of the lock core is not named" in caplog.text
    lock.release()
