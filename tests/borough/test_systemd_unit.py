"""The unit file of systemd: understood by systemd itself, and as shut in as it says."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from borough.cli import borough
from borough.settings import Settings

UNIT = Path(__file__).parents[2] / "packaging" / "borough.service"


@pytest.fixture(scope="module")
def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True, comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment, method-assign] # names keep their case
    parser.read_string(UNIT.read_text())
    return parser


def test_it_starts_a_word_of_ours_with_a_setting_of_ours(unit: configparser.ConfigParser) -> None:
    assert set(unit) - {"DEFAULT"} == {"Unit", "Service", "Install"}
    program, word = unit["Service"]["ExecStart"].split()
    assert program.endswith("/bin/borough") and word in borough.commands
    name, _, value = unit["Service"]["Environment"].partition("=")
    assert name.removeprefix("BOROUGH_").lower() in Settings.model_fields
    assert value == f"/var/lib/{unit['Service']['StateDirectory']}"


def test_it_writes_nowhere_but_in_the_home_and_gains_nothing(
    unit: configparser.ConfigParser,
) -> None:
    service = unit["Service"]
    assert service["User"] != "root"
    assert (service["ProtectSystem"], service["UMask"]) == ("strict", "0077")
    for name in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome"):
        assert service[name] == "true"
    assert service["CapabilityBoundingSet"] == "CAP_NET_BIND_SERVICE"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_understands_it(tmp_path: Path) -> None:
    # A program that exists: the check is of the file, not of where this machine has Borough.
    text = UNIT.read_text().replace("/opt/borough/.venv/bin/borough", "/bin/true")
    (tmp_path / "borough.service").write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "borough.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "borough.service" in line]
    assert (done.returncode, ours) == (0, []), done.stderr
