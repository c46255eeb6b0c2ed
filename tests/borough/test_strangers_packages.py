"""A package from elsewhere under one of our names ends a start before it is asked anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("words", [("up",), ("run", "core"), ("run", "field")])
@pytest.mark.parametrize("name", ["security", "adapters"])
def test_a_stranger_is_named_in_one_sentence(
    name: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    stranger = tmp_path / name / "__init__.py"
    stranger.parent.mkdir()
    stranger.write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "borough", *words],
        env=os.environ | {"PYTHONPATH": str(tmp_path), "BOROUGH_HOME": str(tmp_path / "home")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(f"borough: the package '{name}' was loaded from {stranger}")
    assert not (tmp_path / "home").exists()
