"""Starting the broker, knowing when it is ready, and what is said when it is not."""

from __future__ import annotations

import fcntl
import os
import pickle
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ciaas.computing.broker import launch
from ciaas.computing.broker.connection import connect
from ciaas.computing.broker.errors import BrokerEnded, BrokerSlow, PortBusy
from ciaas.computing.broker.process import Broker
from ciaas.computing.supervision import RoleState, Supervisor
from tests.ciaas.computing.city import City, until


@pytest.fixture
def still(tmp_path: Path) -> Iterator[City]:
    """A city whose broker is not started."""
    city = City(tmp_path)
    yield city
    city.end()


def test_it_is_ready_only_while_it_answers(still: City) -> None:
    assert not still.broker.ready()
    still.start()
    assert still.broker.ready()
    still.kill()
    assert not still.broker.ready()


def test_it_can_be_started_again(still: City) -> None:
    for _ in range(2):
        still.start()
        still.kill()


@pytest.mark.parametrize("which", ["nats", "mqtts"])
def test_a_busy_port_is_one_clear_sentence(still: City, which: str) -> None:
    address = getattr(still.configuration, which)
    with socket.create_server(address), pytest.raises(PortBusy) as caught:
        still.start()
    assert f"port {address} for" in str(caught.value)
    assert "end that program or set another port" in str(caught.value)
    assert still.broker.last_words() == str(caught.value)


def test_another_server_on_the_port_is_not_taken_for_ours(still: City) -> None:
    with socket.create_server(still.configuration.nats) as other:
        other.settimeout(10)

        def answer() -> None:
            connection, _ = other.accept()
            connection.sendall(b'INFO {"server_name":"test"}\r\n')
            connection.close()

        still.process = still.broker.start()
        assert not still.broker.ready()
        with pytest.raises(PortBusy):
            still.broker.wait_ready()
        threading.Thread(target=answer).start()
        with socket.create_connection(still.configuration.nats) as connection:
            assert connection.recv(5) == b"INFO "


def test_a_store_that_cannot_be_written_is_said(still: City) -> None:
    still.configuration.store_dir.write_text("a file, no folder")
    with pytest.raises(BrokerEnded, match="JetStream"):
        still.start()


def test_a_broken_file_is_said(still: City) -> None:
    still.path.write_text("listen: {")
    with pytest.raises(BrokerEnded, match="Parse error on line 1"):
        still.start()


def test_what_cannot_be_run_is_said(still: City, tmp_path: Path) -> None:
    program = tmp_path / "nats-server"
    program.write_bytes(b"\x7fnothing")
    program.chmod(0o755)
    broker = Broker(still.configuration, still.path, still.server.key_pem, executable=program)
    still.process = broker.start()
    with pytest.raises(BrokerEnded, match="could not run"):
        broker.wait_ready()


def test_waiting_has_an_end(still: City) -> None:
    still.process = still.broker.start()
    still.process.send_signal(signal.SIGSTOP)
    with pytest.raises(BrokerSlow, match=r"not ready after 0\.1 s"):
        still.broker.wait_ready(0.1)
    still.kill()
    assert not still.broker.ready()


def test_the_broker_must_be_started_by_the_main_thread(still: City) -> None:
    caught: list[Exception] = []

    def start() -> None:
        try:
            still.broker.start()
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(caught[0])


def test_it_ends_on_sigterm_and_keeps_out_of_the_terminals_group(still: City) -> None:
    still.start()
    assert still.process is not None
    assert os.getsid(still.process.pid) == still.process.pid
    still.process.terminate()
    assert still.process.wait(10) in (0, 1)


def test_it_dies_with_its_starter_and_holds_the_lock_until_then(
    still: City, tmp_path: Path
) -> None:
    lock_path = tmp_path / "lock"
    program = textwrap.dedent("""\
        import fcntl, os, pickle, sys
        broker, lock_path = pickle.load(sys.stdin.buffer)
        from ciaas.computing.broker.process import Broker
        lock = os.open(lock_path, os.O_RDWR | os.O_CREAT)
        fcntl.flock(lock, fcntl.LOCK_EX)
        started = Broker(*broker, lock_fd=lock)
        process = started.start()
        started.wait_ready()
        os.close(lock)
        print(process.pid, flush=True)
        sys.stdin.buffer.read()
        """)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as starter:
        assert starter.stdin is not None
        assert starter.stdout is not None
        arguments = (still.configuration, still.path, still.server.key_pem)
        starter.stdin.write(pickle.dumps((arguments, lock_path)))
        starter.stdin.flush()
        pid = int(starter.stdout.readline())
        assert not lockable(lock_path), "the child holds the lock that its starter let go"
        starter.kill()
    until(lambda: not Path(f"/proc/{pid}/cmdline").exists(), "the end of the broker")
    assert lockable(lock_path)


def test_a_starter_that_has_gone_leaves_nothing_behind() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", launch.__file__, "1", "/bin/true"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "is not started" in done.stderr


def test_connections_are_bounded(tmp_path: Path) -> None:
    city = City(tmp_path, connections_max=2)
    try:
        city.start()
        clients = [city.run(connect(city.url, city.seeds["core"], role="core")) for _ in range(2)]
        with socket.create_connection(city.configuration.nats) as third:
            third.settimeout(10)
            said = b"".join(iter(lambda: third.recv(4096), b""))
        assert b"maximum connections exceeded" in said
        for client in clients:
            city.run(client.close())
    finally:
        city.end()


def test_a_supervisor_keeps_it_running(still: City) -> None:
    supervisor = Supervisor([still.broker], lambda: None)
    (watched,) = supervisor.watched

    def running() -> bool:
        supervisor.step()
        return watched.state is RoleState.RUNNING

    until(running, "the broker")
    first = watched.process
    assert first is not None
    first.kill()
    until(lambda: running() and watched.process is not first, "the broker again")
    assert watched.restarts == 1
    supervisor.stop()
    assert watched.pid is None


def lockable(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
