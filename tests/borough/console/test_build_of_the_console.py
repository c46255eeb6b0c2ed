"""The build of the console: when it is needed, what it says, what it leaves when it fails."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from borough.console import build as builds
from borough.console import node as nodes
from borough.console.build import build
from borough.console.checkout import Checkout
from borough.console.node import BuildError, Node, find_node
from cpaas.access.pages.folder import STAMP, PageFolder


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout with the fewest sources that a build can be asked of."""
    for path, text in {
        "console/package-lock.json": "{}",
        "console/src/main.tsx": "one",
        "cpaas/access/app.py": "",
        "borough/console/build.py": "",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return Checkout(tmp_path)


class Tools:
    """Stands for Node: does with files what npm, the compiler and the bundler would."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout, self.ran, self.fails = checkout, list[str](), ""

    def run(self, arguments: list[str], folder: Path, what: str, seconds_max: float) -> None:
        assert folder == self.checkout.sources and seconds_max > 0
        self.ran.append(what.partition(" (")[0])
        if self.fails and self.fails in what:
            raise BuildError(f"{what} failed: so it is")
        if "libraries" in what:
            (folder / "node_modules").mkdir(exist_ok=True)
        if "bundling" in what:
            into = Path(arguments[arguments.index("--outDir") + 1])
            into.mkdir(parents=True)
            (into / "index.html").write_text((folder / "src/main.tsx").read_text())

    npm = Path("npm-cli.js")


@pytest.fixture
def tools(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tools]:
    tools = Tools(checkout)
    (checkout.sources / "src/api").mkdir()
    monkeypatch.setattr(builds, "find_node", lambda lock: tools)
    monkeypatch.setattr(builds, "describe_api", lambda: {"paths": {}})
    yield tools


def served(checkout: Checkout) -> bytes:
    return PageFolder(checkout.work).files()["index.html"].plain


def test_a_build_is_made_once_and_again_when_a_source_changes(
    checkout: Checkout, tools: Tools
) -> None:
    steps: list[str] = []
    assert build(checkout, steps.append) is True
    assert served(checkout) == b"one"
    assert steps == [
        "finding Node",
        "installing the console's libraries",
        "writing the client of the API",
        "checking types",
        "bundling",
    ]
    assert build(checkout, steps.append) is False and len(steps) == 5
    (checkout.sources / "src/main.tsx").write_text("two")
    assert build(checkout, steps.append) is True
    assert served(checkout) == b"two"
    assert tools.ran.count("installing the console's libraries") == 1, "the lock did not change"


@pytest.mark.parametrize("path", ["cpaas/access/app.py", "borough/console/build.py"])
def test_what_the_types_of_the_api_come_from_is_a_source_too(
    checkout: Checkout, tools: Tools, path: str
) -> None:
    build(checkout, lambda step: None)
    (checkout.root / path).write_text("changed")
    assert not checkout.fresh()


def test_what_a_build_leaves_behind_is_no_source(checkout: Checkout, tools: Tools) -> None:
    build(checkout, lambda step: None)
    (checkout.sources / "node_modules/left.js").write_text("x")
    checkout.generated.write_text("x")
    assert checkout.fresh()


def test_a_failed_build_says_why_and_keeps_what_was_there(checkout: Checkout, tools: Tools) -> None:
    build(checkout, lambda step: None)
    (checkout.sources / "src/main.tsx").write_text("two")
    tools.fails = "types"
    with pytest.raises(BuildError, match="checking the console's types failed: so it is"):
        build(checkout, lambda step: None)
    assert served(checkout) == b"one"
    tools.fails = ""
    build(checkout, lambda step: None)
    assert served(checkout) == b"two"


def test_without_sources_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="from a checkout"):
        build(Checkout(tmp_path), lambda step: None)


def test_the_child_writes_for_the_page_why_it_ended(
    checkout: Checkout, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builds, "CONSOLE", checkout)
    monkeypatch.setattr(os, "nice", lambda by: by)
    tools.fails = "libraries"
    with pytest.raises(SystemExit, match="is an npm registry reachable"):
        builds.main()
    told = json.loads(checkout.state.read_text())
    assert "is an npm registry reachable" in told["failed"]
    assert told["failed"].endswith("./run console")
    assert PageFolder(checkout.work).progress().failed == told["failed"]
    assert not (checkout.built / STAMP).exists()


def test_a_program_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    node = Node(Path(sys.executable), Path("npm"))
    script = "import sys; print('one'); print('why', file=sys.stderr); sys.exit(3)"
    with pytest.raises(BuildError, match=r"the work failed: .*why"):
        node.run(["-c", script], tmp_path, "the work", 30.0)


def test_of_npm_the_line_that_says_what_is_wrong_is_told(tmp_path: Path) -> None:
    node = Node(Path(sys.executable), Path("npm"))
    words = (
        "npm error code ECONNREFUSED",
        "npm error FetchError: request to http://npm.example/x failed, reason: gone",
        "npm error     at ClientRequest.emit (node:events:509:28)",
        "npm error }",
        "npm error",
        "npm error If you are behind a proxy, please make sure",
    )
    script = f"import sys; print({chr(10).join(words)!r}); sys.exit(1)"
    with pytest.raises(BuildError) as told:
        node.run(["-c", script], tmp_path, "npm", 30.0)
    assert str(told.value) == ("npm failed: request to http://npm.example/x failed, reason: gone")


def test_a_program_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    node = Node(Path(sys.executable), Path("npm"))
    with pytest.raises(BuildError, match=r"took more than 0 s; start again"):
        node.run(["-c", "import threading; threading.Event().wait(60)"], tmp_path, "it", 0.2)


def test_a_node_of_the_machine_that_is_too_old_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version, found in (("v20.9.0", False), ("v22.1.0", True), ("nonsense", False)):
        folder = tmp_path / version
        (folder / "bin").mkdir(parents=True)
        (folder / "lib/node_modules/npm/bin").mkdir(parents=True)
        (folder / "lib/node_modules/npm/bin/npm-cli.js").touch()
        program = folder / "bin/node"
        program.write_text(f"#!/bin/sh\necho {version}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent))
        assert (nodes._of_machine() is not None) is found


def test_where_no_node_can_be_had_the_index_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "_of_machine", lambda: None)
    monkeypatch.setattr(nodes, "_of_package", lambda: None)
    with pytest.raises(BuildError, match="is a Python package index reachable"):
        find_node(tmp_path / "no-such.lock")
