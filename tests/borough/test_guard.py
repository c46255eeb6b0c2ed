"""A role whose event loop stands still ends itself; one that was stopped as a whole does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

_ROLE = """
import asyncio, sys, threading, time
from borough.roles import guard

async def fault():
    raise ValueError("a fault")

def thread_fault():
    raise ValueError("a fault in a thread")

guard.STALL_S, guard._LOOK_S = 0.5, 0.05

async def role():
    watching = asyncio.create_task(guard.guard_loop())
    await asyncio.sleep(0.1)
    print("up", flush=True)
    {what}
    watching.cancel()
    print("ended in order", flush=True)

asyncio.run(role())
"""


@pytest.fixture
def start() -> object:
    started: list[subprocess.Popen[str]] = []

    def run(what: str) -> subprocess.Popen[str]:
        role = subprocess.Popen(
            [sys.executable, "-c", _ROLE.format(what=what)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(role)
        assert role.stdout is not None
        assert role.stdout.readline() == "up\n"
        return role

    yield run
    for role in started:
        role.kill()
        role.wait()


def test_a_loop_that_stands_still_ends_the_process_with_the_reason(start: object) -> None:
    assert callable(start)
    role = start("time.sleep(60)")
    out, err = role.communicate(timeout=30)
    assert role.returncode == 1
    assert out == ""
    assert err.splitlines()[-1] == (
        "ended by a fault: RuntimeError: the event loop stood for 0.5 s"
    )


def test_a_fault_in_a_task_ends_the_process_with_the_reason(start: object) -> None:
    assert callable(start)
    role = start("task = guard.guarded(fault()); await asyncio.sleep(60)")
    out, err = role.communicate(timeout=30)
    assert (role.returncode, out) == (1, "")
    assert err.splitlines()[-1] == "ended by a fault: ValueError: a fault"


def test_a_task_that_is_cancelled_is_no_fault(start: object) -> None:
    assert callable(start)
    role = start("guard.guarded(asyncio.sleep(60)).cancel(); await asyncio.sleep(0.1)")
    out, err = role.communicate(timeout=30)
    assert (role.returncode, out, err) == (0, "ended in order\n", "")


def test_a_fault_in_a_thread_ends_the_process_with_the_reason(start: object) -> None:
    assert callable(start)
    role = start(
        "guard.guard_threads(); threading.Thread(target=thread_fault).start();"
        " await asyncio.sleep(60)"
    )
    out, err = role.communicate(timeout=30)
    assert (role.returncode, out) == (1, "")
    assert err.splitlines()[-1] == "ended by a fault: ValueError: a fault in a thread"


def test_a_process_that_was_stopped_goes_on(start: object) -> None:
    assert callable(start)
    role = start("await asyncio.sleep(1.0)")
    os.kill(role.pid, signal.SIGSTOP)
    threading.Event().wait(1.5)  # three times what a loop may stand
    os.kill(role.pid, signal.SIGCONT)
    out, err = role.communicate(timeout=30)
    assert (role.returncode, out, err) == (0, "ended in order\n", "")
