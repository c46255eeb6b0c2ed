"""What keeps the platform from starting is said in one sentence, with an exit code of 1."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from borough.clock import MachineClock
from borough.home import Home, Lock
from borough.roles.schema import migrate
from borough.roles.watch import PythonRole
from borough.wiring import BusAddress, write_bus
from ciaas.storage.history import open_history
from security.encryption.keyring import KeyRing
from security.encryption.unlocking import Cost, Method, Unlock
from tests.promises.disk import small_disk
from tests.promises.platform import Platform, alive, free_port, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that runs, to be in the way."""
    with running(tmp_path_factory.mktemp("refusals") / "home") as platform:
        yield platform


@pytest.fixture
def used(tmp_path: Path) -> Platform:
    """A platform that does not run, on a home with stores and keys, to be spoilt."""
    home = Home(tmp_path / "home")
    home.prepare()
    KeyRing.create(home.keys)
    migrate(home)
    write_bus(home, BusAddress("127.0.0.1", free_port()))
    open_history(home.history, clock=MachineClock()).close()
    return Platform(home.path)


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line of a refusal."""
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    name, _, text = line.partition(": ")
    assert name == "borough"
    return text


def test_a_second_start_names_the_process_that_runs(platform: Platform) -> None:
    assert platform.process is not None
    pid = platform.process.pid
    assert sentence(platform.call("up")) == (
        f"Borough already runs on this home (pid {pid}); "
        f"stop it with: kill {pid}, or use another BOROUGH_HOME"
    )
    assert platform.healthy()


@pytest.mark.parametrize("name", ["http", "mqtts"])
def test_a_port_in_use_is_named_with_what_to_set(
    platform: Platform, tmp_path: Path, name: str
) -> None:
    other = Platform(tmp_path / "home")
    taken = getattr(platform, name)
    done = other.call("up", **{f"BOROUGH_{name.upper()}": taken})
    assert sentence(done) == (
        f"{taken} cannot be used for {name} (Address already in use); "
        f"end the program that uses it or choose another with BOROUGH_{name.upper()}"
    )


def test_an_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    done = Platform(tmp_path / "home").call("up", BOROUGH_MQTTS="192.0.2.1:8883")
    assert sentence(done).startswith("192.0.2.1:8883 cannot be used for mqtts (Cannot assign")


def test_an_api_that_others_could_overhear_is_refused(tmp_path: Path) -> None:
    done = Platform(tmp_path / "home").call("up", BOROUGH_HTTP="0.0.0.0:8080")
    assert sentence(done) == (
        "the API would speak plain HTTP on 0.0.0.0:8080, where others can listen; set "
        "BOROUGH_HTTPS=true for a certificate of Borough's own authority, or BOROUGH_HTTPS_CERT "
        "and BOROUGH_HTTPS_KEY, or keep BOROUGH_HTTP on 127.0.0.1"
    )


def test_a_role_that_outlived_its_watch_is_named(used: Platform) -> None:
    home = Home(used.home)
    lock = Lock(home, "field")
    lock.take()
    orphan = PythonRole("field", home, lock, lambda _: True).start()
    try:
        lock.release()
        assert sentence(used.call("up")) == (
            f"the role field of an earlier start is still alive (pid {orphan.pid}); "
            f"end it with: kill {orphan.pid}"
        )
        assert alive(orphan.pid)
    finally:
        orphan.kill()
        orphan.wait()


def test_a_home_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    home = tmp_path / "file" / "home"
    assert sentence(Platform(home).call("up")) == (
        f"the home {home} cannot be written (Not a directory); "
        "mend its permissions or name another with BOROUGH_HOME"
    )


def test_a_home_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 8) as disk:
        disk.make_read_only()
        home = disk.folder / "home"
        assert sentence(Platform(home, within=disk.within).call("up")) == (
            f"the home {home} cannot be written (Read-only file system); "
            "mend its permissions or name another with BOROUGH_HOME"
        )


def test_a_registry_of_another_version_is_refused(used: Platform) -> None:
    with closing(sqlite3.connect(used.home / "registry.sqlite")) as registry:
        registry.execute("UPDATE alembic_version SET version_num = '9999'")
        registry.commit()
    said = sentence(used.call("up"))
    assert "registry.sqlite" in said
    assert "9999" in said


def test_a_history_of_another_version_is_refused(used: Platform) -> None:
    with duckdb.connect(str(used.home / "history.duckdb")) as history:
        history.execute("INSERT INTO schema_version VALUES (999)")
    said = sentence(used.call("up"))
    assert "history.duckdb has schema 999" in said
    assert "start the newer" in said


def test_a_key_file_that_others_can_read_is_refused(used: Platform) -> None:
    keys = used.home / "keys.json"
    keys.chmod(0o644)
    said = sentence(used.call("up"))
    assert "has mode 0644" in said
    assert f"chmod 600 {keys}" in said


@pytest.mark.parametrize("method", list(Method)[1:])
def test_a_key_ring_that_stays_shut_says_what_it_waits_for(used: Platform, method: Method) -> None:
    unlock = Unlock.by_passphrase(method, Cost(8, 1, 1))
    KeyRing.open(used.home / "keys.json").lock_with(unlock, "a passphrase of tests")
    assert (
        sentence(used.call("up"))
        == {
            Method.ENVIRONMENT: (
                "the key ring of this home opens by the environment: set BOROUGH_UNLOCK to its "
                "passphrase"
            ),
            Method.PASSPHRASE: (
                "the key ring of this home opens by a passphrase: start from a terminal, or hand "
                "it over by a file descriptor, such as: BOROUGH_UNLOCK_FD=3 borough up 3< FILE"
            ),
        }[method]
    )


def test_a_wrong_passphrase_is_told_in_one_sentence(used: Platform) -> None:
    keys = used.home / "keys.json"
    unlock = Unlock.by_passphrase(Method.ENVIRONMENT, Cost(8, 1, 1))
    KeyRing.open(keys).lock_with(unlock, "a passphrase of tests")
    assert sentence(used.call("up", BOROUGH_UNLOCK="another one of tests")) == (
        f"this is not the passphrase that opens {keys}; try again, or restore the key file that "
        "it belongs to"
    )


def test_a_setting_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    done = Platform(tmp_path / "home").call("up", BOROUGH_MQTTS="8883")
    assert sentence(done) == "setting 'mqtts': Value error, '8883' is not host:port"
