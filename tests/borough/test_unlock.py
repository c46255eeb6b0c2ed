"""What opens the key ring comes by file, environment, descriptor or terminal, and is not left."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from borough.commands.keys import keys
from borough.home import Home, HomeError, Lock
from borough.unlock import FD_VARIABLE, VARIABLE, handed_over, key_for_children
from borough.wiring import complete_keys, create_keys, open_keys
from security.encryption.unlocking import Cost, Method, Unlock

PASSPHRASE = "a passphrase that only tests use"
OTHER = "another passphrase, just as long"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    create_keys(home)
    monkeypatch.setenv("BOROUGH_HOME", str(home.path))
    for name in (VARIABLE, FD_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    return home


def locked(home: Home, method: Method) -> Home:
    open_keys(home).lock_with(Unlock.by_passphrase(method, Cost(8, 1, 1)), PASSPHRASE)
    return home


@contextmanager
def written(text: str) -> Iterator[int]:
    """Give a descriptor from which a text is read."""
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    yield reading
    with pytest.raises(OSError, match="Bad file"):
        os.close(reading)  # who read from it has closed it


def test_the_environment_opens_and_is_left_to_no_child(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = open_keys(home).cli
    locked(home, Method.ENVIRONMENT)
    with pytest.raises(HomeError, match="set BOROUGH_UNLOCK to its passphrase"):
        open_keys(home)
    monkeypatch.setenv(VARIABLE, OTHER)
    with pytest.raises(HomeError, match="not the passphrase that opens"):
        open_keys(home)
    for _ in range(2):
        monkeypatch.setenv(VARIABLE, PASSPHRASE)
        assert complete_keys(home).cli == cli
        assert VARIABLE not in os.environ


def test_a_variable_that_a_ring_needs_not_is_taken_away_as_well(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, PASSPHRASE)
    assert open_keys(home).method is Method.FILE
    assert VARIABLE not in os.environ


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_descriptor_opens(home: Home, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    cli = open_keys(home).cli
    locked(home, Method.PASSPHRASE)
    with written(PASSPHRASE + ending) as descriptor:
        monkeypatch.setenv(FD_VARIABLE, str(descriptor))
        assert open_keys(home).cli == cli
    assert FD_VARIABLE not in os.environ
    with written(OTHER) as descriptor:
        monkeypatch.setenv(FD_VARIABLE, str(descriptor))
        with pytest.raises(HomeError, match=r"not the passphrase that opens .*; try again"):
            open_keys(home)


@pytest.mark.parametrize("number", ["77", "x", "-1", "9" * 30])
def test_what_is_no_descriptor_is_said(
    home: Home, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    locked(home, Method.PASSPHRASE)
    monkeypatch.setenv(FD_VARIABLE, number)
    with pytest.raises(HomeError, match="no file descriptor open for reading"):
        open_keys(home)


def test_nobody_is_asked_where_there_is_no_terminal(home: Home) -> None:
    locked(home, Method.PASSPHRASE)
    with pytest.raises(HomeError, match="BOROUGH_UNLOCK_FD=3 borough up 3< FILE"):
        open_keys(home)


def test_a_terminal_is_asked_and_shows_nothing(home: Home) -> None:
    cli = open_keys(home).cli
    locked(home, Method.PASSPHRASE)
    program = (
        "from borough.home import Home; from borough.wiring import open_keys; from pathlib import "
        f"Path; print(open_keys(Home(Path({str(home.path)!r}))).cli)"
    )
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
        text=True,
    ) as child:
        os.close(theirs)
        shown = b""
        while b"Passphrase of the key ring" not in shown:
            shown += os.read(ours, 1_024)
        os.write(ours, PASSPHRASE.encode() + b"\n")
        assert child.stdout is not None
        assert child.stdout.read().strip() == cli
        shown += os.read(ours, 1_024)
    os.close(ours)
    assert PASSPHRASE.encode() not in shown


def test_a_role_opens_the_ring_with_what_watch_hands_over_once(home: Home) -> None:
    locked(home, Method.PASSPHRASE)
    with written(PASSPHRASE) as descriptor:
        os.environ[FD_VARIABLE] = str(descriptor)
        watch = complete_keys(home)
    program = (
        "import os; from borough.home import Home; from borough.wiring import open_keys; from "
        f"pathlib import Path; home = Home(Path({str(home.path)!r})); print(open_keys(home).cli);"
        "print([name for name in os.environ if 'UNLOCK' in name])"
    )
    with handed_over(key_for_children(watch)) as hand:
        assert all(watch.unlock_key.hex() not in text for text in hand.environment.values())
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **hand.environment},
            pass_fds=hand.descriptors,
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.split() == [watch.cli, "[]"]


def test_nothing_is_handed_over_when_the_file_opens_the_ring(home: Home) -> None:
    with handed_over(key_for_children(open_keys(home))) as hand:
        assert hand.environment == {} and hand.descriptors == ()


# -- the verb


def unlock(method: str, typed: str = "") -> str:
    done = CliRunner().invoke(keys, ["unlock", method], input=typed)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_the_method_is_changed_and_changed_back(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = open_keys(home).cli
    assert PASSPHRASE not in unlock("environment", PASSPHRASE + "\n")
    monkeypatch.setenv(VARIABLE, PASSPHRASE)
    assert "opens by passphrase from now on" in unlock("passphrase", OTHER)
    with written(OTHER) as descriptor:
        monkeypatch.setenv(FD_VARIABLE, str(descriptor))
        assert "destroy them, or rotate" in unlock("file")
    assert open_keys(home).cli == cli
    assert all(
        PASSPHRASE.encode() not in path.read_bytes() and OTHER.encode() not in path.read_bytes()
        for path in home.path.rglob("*")
        if path.is_file()
    )


@pytest.mark.parametrize("typed", ["", "short\n", "x" * 300, "two\nlines of passphrase"])
def test_what_can_be_no_passphrase_changes_nothing(home: Home, typed: str) -> None:
    before = home.keys.read_bytes()
    with pytest.raises(HomeError, match="a passphrase of the key ring"):
        unlock("passphrase", typed)
    assert home.keys.read_bytes() == before


def test_the_platform_is_stopped_first(home: Home) -> None:
    lock = Lock(home, "watch")
    lock.take()
    try:
        with pytest.raises(HomeError, match="already runs on this home"):
            unlock("file")
    finally:
        lock.release()


def test_a_home_that_was_never_started_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOROUGH_HOME", str(tmp_path))
    with pytest.raises(HomeError, match="no key file yet; start Borough once"):
        unlock("file")
