"""Who does what the README says, in an empty clone with an empty home, sees what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ROOT, free_port
from tests.e2e.pages import blocks_of

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = ["./run demo", "./run test"]
SECONDS = 20
_SET_UP_S = 400
"""Fetching all packages over a slow line."""
_AFTER_S = 120
"""What the demo promises to need at most beyond the seconds asked for, set-up aside."""


def test_the_readme_shows_two_commands_and_no_other() -> None:
    assert [block.text.strip() for block in blocks_of(README)] == COMMANDS
    assert set(re.findall(r"`(\./run[^`]*)`", README)) <= set(COMMANDS)


@pytest.mark.slow
@pytest.mark.timeout(_SET_UP_S + SECONDS + _AFTER_S + 120)
def test_the_readme_word_for_word(tmp_path: Path) -> None:
    clone, home = tmp_path / "borough", tmp_path / "home"
    home.mkdir()
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True, timeout=60)
    demo, test = (block.text.strip() for block in blocks_of(README))
    assert "`--seconds 60`" in README
    assert "`--json`" in README

    shown = _run(f"{demo} --seconds {SECONDS} --json", clone, home, _SET_UP_S + SECONDS + _AFTER_S)
    account: dict[str, Any] = json.loads(shown.splitlines()[-1])
    assert account["lost"] == account["duplicates"] == 0
    assert account["acked"] == account["stored"] > 0
    endpoints, kinds = re.findall(r"(\d+) endpoints of (\d+) kinds", README)[0]
    assert (account["endpoints"], account["device_kinds"]) == (int(endpoints), int(kinds))
    assert account["endpoints"] >= 60
    assert account["device_kinds"] >= 12
    assert account["commands"].get("verified", 0) >= 1
    assert min(account["alarms"]["raised"], account["alarms"]["cleared"]) >= 1
    assert account["mashups"]["running"] == 2 and account["mashups"]["outputs"] >= 2
    assert account["subscriptions"]["delivered"] > 0 and account["subscriptions"]["gaps"] == 0
    assert account["home"] == str(home)

    # Collecting shows that the second command works there; running it would run this test again.
    listed = _run(f"{test} --co -q", clone, home, 120)
    assert "tests/e2e/test_readme.py::test_the_readme_shows_two_commands_and_no_other" in listed


def _run(command: str, clone: Path, home: Path, patience_s: float) -> str:
    """Run a command of the README in the clone; return what it printed."""
    known = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("BOROUGH_", "PYTEST_", "PYTHONPATH", "VIRTUAL_ENV"))
    }
    ports = {f"BOROUGH_{name}": f"127.0.0.1:{free_port()}" for name in ("HTTP", "MQTTS")}
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=clone,
        env=known | ports | {"BOROUGH_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=patience_s,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout
