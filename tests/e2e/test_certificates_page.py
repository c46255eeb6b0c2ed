"""Who follows the page about certificates sees what it shows, on a home of its own."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from borough.home import Home
from borough.platform import platform
from borough.settings import Listen, Settings
from tests.e2e.conftest import Desk, free_port
from tests.e2e.pages import blocks

pytestmark = pytest.mark.slow

PAGE = blocks("howto-certificates.md")


def of(language: str) -> list[str]:
    return [block.text for block in PAGE if block.language == language]


def test_the_page_about_certificates(tmp_path: Path) -> None:
    away, issuing, rotate, deny, est = of("shell")
    [toml], [text], [python] = of("toml"), of("text"), of("python")
    assert set(tomllib.loads(toml)) <= set(Settings.model_fields)
    settings = Settings(
        home=tmp_path / "home",
        http=Listen("127.0.0.1", free_port()),
        mqtts=Listen("127.0.0.1", free_port()),
        est=Listen("127.0.0.1", free_port()),
    )
    run = tmp_path / "run"
    run.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m borough "$@"\n')
    run.chmod(0o755)
    desk = Desk(tmp_path, settings.home, settings)

    (tmp_path / "stick").mkdir()
    before, after = desk.run(f"./run ca init > made\n{away}").split("root     ")[1:]
    assert "move" in before.splitlines()[-1] and "move" not in after
    assert "good until" in desk.run(issuing)
    assert "trusted until" in desk.run(rotate)

    port = f"https://{settings.est}"
    ready = [
        f"METER=$(./run endpoint create Meter)\nAPI=http://{settings.http}/api/v1\nEST={port}",
        "TOKEN=$(./run token --admin)",
        f"cp {settings.home}/authority/ca.pem {settings.home}/authority/clients.pem .",
    ]
    with platform(Home(settings.home), settings, quiet=True):
        assert desk.run("\n".join([*ready, est])) == text
        (tmp_path / "page.py").write_text(
            python.replace("https://devices.city.example:8443", port).replace("due()", "ends()")
        )
        # The certificate is not due yet; that it ends some day is enough to renew it here.
        bundle = "./run endpoint bundle $METER b.zip > told; python3 -m zipfile -e b.zip cloud.io"
        said = desk.run("\n".join([*ready, bundle, "python3 page.py", deny]))
    listed = said.splitlines()
    assert [line.split()[1] for line in listed[:2]] == ["in", "in"]  # the bundle's, the renewed
    assert listed[-1] == "certificates denied from now on: 2"
