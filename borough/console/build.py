"""The build of the console, step by step; ``python -m borough.console.build`` is the child of up.

Everything is written below the console's folder in the checkout, and takes the place of the
console before in one step at the end.
"""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from borough.console.checkout import CONSOLE, Checkout
from borough.console.limits import COMPILE_S_MAX, INSTALL_S_MAX, NICENESS
from borough.console.node import BuildError, Node, find_node
from borough.console.typescript import describe_api, typescript
from cpaas.access.pages.folder import ENTRY, STAMP

_API = "/api/v1"
_PACKED = (".js", ".css", ".html", ".svg", ".json")
_INSTALLED = "installed"
"""Names the lock file that ``node_modules`` was filled from."""


def build(console: Checkout, say: Callable[[str], None]) -> bool:
    """Build the console unless it is built already; waits for a build that runs.

    Args:
        console: what to build.
        say: takes each step as it begins.

    Returns:
        False when there was nothing to do.

    Raises:
        BuildError: there is no console; the message says what to do. The one before is kept.
    """
    if not console.present:
        raise BuildError(
            "this installation came without the sources of the console; "
            "run Borough from a checkout to have it"
        )
    try:
        console.work.mkdir(exist_ok=True)
        with _alone(console):
            if console.fresh():
                return False
            _build(console, _telling(console, say))
            return True
    except OSError as error:
        raise BuildError(
            f"the console could not be written ({error}); make room or mend the permissions"
        ) from error


def main() -> None:
    """Build in the background: low priority, and what goes wrong is written for the page."""
    os.nice(NICENESS)
    try:
        build(CONSOLE, lambda step: None)
    except BuildError as error:
        if CONSOLE.work.is_dir():
            # Whoever reads it in the browser has no other way to begin anew than the next start.
            _write_state(CONSOLE, "", f"{error}. When that is mended: ./run console")
        sys.exit(str(error))


def _build(console: Checkout, say: Callable[[str], None]) -> None:
    digest = console.digest()  # what changes from here on is for the next build
    say("finding Node")
    node = find_node(console.node_lock)
    say("installing the console's libraries")
    _install(console, node)
    say("writing the client of the API")
    console.generated.parent.mkdir(exist_ok=True)
    console.generated.write_text(typescript(describe_api(), _API), "utf-8")
    say("checking types")
    folder, modules = console.sources, console.sources / "node_modules"
    tsc = [str(modules / "typescript/bin/tsc"), "--noEmit"]
    node.run(tsc, folder, "checking the console's types", COMPILE_S_MAX)
    say("bundling")
    fresh = console.work / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    vite = [str(modules / "vite/bin/vite.js"), "build", "--outDir", str(fresh), "--emptyOutDir"]
    node.run([*vite, "--logLevel", "warn"], folder, "bundling the console", COMPILE_S_MAX)
    _finish(console, fresh, digest)


def _install(console: Checkout, node: Node) -> None:
    """Fill ``node_modules`` as the lock file says, without running anybody's scripts."""
    lock = (console.sources / "package-lock.json").read_bytes()
    mark = console.sources / "node_modules" / f".{_INSTALLED}"
    if mark.is_file() and mark.read_bytes() == lock:
        return
    node.run(
        [str(node.npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        console.sources,
        "installing the console's libraries (is an npm registry reachable?)",
        INSTALL_S_MAX,
    )
    mark.write_bytes(lock)


def _finish(console: Checkout, fresh: Path, digest: str) -> None:
    """Pack what was built and put it in the place of what was served until now."""
    if not (fresh / ENTRY).is_file():
        raise BuildError("bundling the console left no page; run ./run console to see why")
    for path in fresh.rglob("*"):
        if path.suffix in _PACKED:
            packed = gzip.compress(path.read_bytes(), 9, mtime=0)
            path.with_name(path.name + ".gz").write_bytes(packed)
    (fresh / STAMP).write_text(digest, "utf-8")
    before = console.work / "before"
    shutil.rmtree(before, ignore_errors=True)
    if console.built.exists():
        console.built.rename(before)
    fresh.rename(console.built)
    shutil.rmtree(before, ignore_errors=True)
    _write_state(console, "", None)


@contextmanager
def _alone(console: Checkout) -> Iterator[None]:
    """Hold the build's lock; who comes second waits, and then finds nothing left to do."""
    with console.lock.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _telling(console: Checkout, say: Callable[[str], None]) -> Callable[[str], None]:
    def tell(step: str) -> None:
        _write_state(console, step, None)
        say(step)

    return tell


def _write_state(console: Checkout, step: str, failed: str | None) -> None:
    fresh = console.state.with_suffix(".new")
    fresh.write_text(json.dumps({"step": step, "failed": failed}), "utf-8")
    fresh.replace(console.state)


if __name__ == "__main__":
    main()
