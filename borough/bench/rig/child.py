"""A child process of the bench: told by lines of JSON, answers each with one."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

from borough.bench.limits import ANSWER_S_MAX, LINE_BYTES_MAX
from ciaas.computing.broker import launch

_END_S = 5.0


class BenchError(Exception):
    """The bench cannot give a figure; the message says why."""


class Child:
    """One running child."""

    def __init__(self, process: subprocess.Popen[bytes]):
        """The process has pipes for its standard input and output."""
        assert process.stdin is not None and process.stdout is not None
        self._process = process
        self._input: IO[bytes] = process.stdin
        self._output: IO[bytes] = process.stdout
        self._heard = b""

    def tell(self, **what: Any) -> Mapping[str, Any]:
        """Say one thing and return the answer; raises as `hear`."""
        try:
            self._input.write(json.dumps(what).encode() + b"\n")
            self._input.flush()
        except BrokenPipeError:
            pass  # it has ended; what it said last is read below
        return self.hear()

    def hear(self) -> Mapping[str, Any]:
        """Return the next thing it says.

        Raises:
            BenchError: it reports an error, has ended, or says nothing for ANSWER_S_MAX.
        """
        deadline = time.monotonic() + ANSWER_S_MAX
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            while b"\n" not in self._heard:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise BenchError(f"{self._name} said nothing for {ANSWER_S_MAX:g} s")
                chunk = os.read(self._output.fileno(), LINE_BYTES_MAX)
                if not chunk:
                    raise BenchError(f"{self._name} has ended; its last words stand above")
                self._heard += chunk
                if len(self._heard) > LINE_BYTES_MAX:
                    raise BenchError(f"{self._name} said a line longer than {LINE_BYTES_MAX} bytes")
        line, _, self._heard = self._heard.partition(b"\n")
        said: Mapping[str, Any] = json.loads(line)
        if "error" in said:
            raise BenchError(said["error"])
        return said

    @property
    def _name(self) -> str:
        return f"the process {self._process.args!r:.200}"


@contextmanager
def child(module: str, *arguments: str) -> Iterator[Child]:
    """Run ``python -m MODULE ARGUMENT…`` for the length of the block; enter it in the main thread.

    It ends when its standard input does, and dies with this process.
    """
    process = subprocess.Popen(  # noqa: S603 - no shell, and the program is ours
        [
            *(sys.executable, "-I", "-S", launch.__file__, str(os.getpid())),
            *(sys.executable, "-m", module, *arguments),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield Child(process)
    finally:
        process.stdin.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
