"""Child processes of a bench: they answer, report errors, and never hang the bench."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from borough.bench.rig import child as children
from borough.bench.rig.child import BenchError, child

ECHO = "import sys\nfor line in sys.stdin: print(line.strip(), flush=True)\n"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a module that a child can run as ``made_up_child``."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "made_up_child.py"


def test_it_is_told_and_answers(module: Path) -> None:
    module.write_text(ECHO)
    with child("made_up_child") as echo:
        assert echo.tell(do="this", times=2) == {"do": "this", "times": 2}
        assert echo.tell(do="that") == {"do": "that"}


def test_it_ends_with_the_block(module: Path) -> None:
    module.write_text(ECHO)
    with child("made_up_child") as echo:
        process = echo._process
    assert process.returncode == 0


def test_one_that_does_not_end_is_killed(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "_END_S", 0.1)
    module.write_text("import threading\nprint('{}', flush=True)\nthreading.Event().wait()\n")
    with child("made_up_child") as stubborn:
        stubborn.hear()
        process = stubborn._process
    assert process.returncode == -9


def test_the_error_that_it_reports_is_raised(module: Path) -> None:
    module.write_text('print(\'{"error": "the broker said no"}\', flush=True)\n')
    with child("made_up_child") as failing, pytest.raises(BenchError, match="the broker said no"):
        failing.hear()


def test_one_that_has_ended_is_noticed(module: Path) -> None:
    module.write_text("")
    with child("made_up_child") as gone, pytest.raises(BenchError, match="has ended"):
        gone.tell(do="anything")


def test_silence_is_bounded(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "ANSWER_S_MAX", 0.05)
    module.write_text("import sys\nsys.stdin.read()\n")
    with child("made_up_child") as silent, pytest.raises(BenchError, match=r"nothing for 0\.05 s"):
        silent.hear()


def test_a_line_is_bounded(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "LINE_BYTES_MAX", 1_000)
    module.write_text("import sys\nsys.stdout.write('x' * 5_000)\nsys.stdout.flush()\n"
                      "sys.stdin.read()\n")  # fmt: skip
    with child("made_up_child") as chatty, pytest.raises(BenchError, match="longer than 1000"):
        chatty.hear()


def test_the_interpreter_is_ours(module: Path) -> None:
    module.write_text("import json, sys\nprint(json.dumps({'python': sys.executable}))\n")
    with child("made_up_child") as told:
        assert told.hear()["python"] == sys.executable
