"""Who follows the page about certificates sees what it shows, on a home of an earlier version.

Its devices know the one authority of that version alone, and stay in touch whatever follows it.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from borough.clock import MachineClock
from borough.home import Home
from borough.roles.schema import migrate
from borough.settings import Settings
from borough.wiring import create_keys
from ciaas.storage.registry import open_registry
from security.encryption.authority import Authority
from security.ports import CertificateEntry
from tests.e2e.conftest import Desk, free_port
from tests.e2e.pages import blocks
from tests.promises.device import Device, Enrolled, enrol
from tests.promises.platform import Platform
from tests.security.encryption.test_tiers import old_home

CLOCK = MachineClock()
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PAGE = blocks("howto-certificates.md")


def of(language: str) -> list[str]:
    return [block.text for block in PAGE if block.language == language]


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    made = Platform(tmp_path / "home", settings={"EST": f"127.0.0.1:{free_port()}"})
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
def before(platform: Platform, tmp_path: Path) -> Enrolled:
    """A device that the earlier version enrolled; the platform does not run yet."""
    home = Home(platform.home)
    home.prepare()
    passphrase = create_keys(home).ca_passphrase
    old_home(home.authority, passphrase)
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes((home.authority / "ca.pem").read_bytes())
    migrate(home)
    with open_registry(home.registry, clock=CLOCK) as registry:
        project = registry.resources.create_project("city")
        uuid = registry.resources.create_endpoint(project.id, "Lamp of before", {}).uuid
        issued = Authority.open(home.authority, passphrase, CLOCK.now_ms).issue_endpoint(uuid)
        entry = CertificateEntry(issued.serial, uuid, issued.fingerprint, issued.not_after)
        registry.certificates.add_certificate(entry)
    assert issued.private_key_pem is not None
    return Enrolled(uuid, trusted, issued.certificate_pem, issued.private_key_pem)


def connects(platform: Platform, enrolled: Enrolled) -> None:
    device = Device(platform, enrolled)
    device.join()
    device.leave()


def test_the_page_about_certificates(platform: Platform, before: Enrolled, tmp_path: Path) -> None:
    away, issuing, rotate, deny, est = of("shell")
    [toml], [text], [python] = of("toml"), of("text"), of("python")
    assert set(tomllib.loads(toml)) <= set(Settings.model_fields)
    run = tmp_path / "run"
    run.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m borough "$@"\n')
    run.chmod(0o755)
    told = {"home": platform.home, "http": platform.http, "mqtts": platform.mqtts}
    desk = Desk(tmp_path, platform.home, Settings.model_validate(told))

    (tmp_path / "stick").mkdir()
    first, second = desk.run(f"./run ca init > made\n{away}").split("root     ")[1:]
    assert "move" in first.splitlines()[-1] and "move" not in second
    assert "good until" in desk.run(issuing)
    assert "trusted until" in desk.run(rotate)

    platform.start()
    connects(platform, before)  # it trusts nobody but the authority of the earlier version
    connects(platform, enrol(platform, "Lamp of after"))
    port = f"https://{platform.environment()['BOROUGH_EST']}"
    ready = [
        f"METER=$(./run endpoint create Meter)\nAPI=http://{platform.http}/api/v1\nEST={port}",
        "TOKEN=$(./run token --admin)",
        f"cp {platform.home}/authority/ca.pem {platform.home}/authority/clients.pem .",
    ]
    assert desk.run("\n".join([*ready, est])) == text
    (tmp_path / "page.py").write_text(
        # The certificate is not due yet; that it ends some day is enough to renew it here.
        python.replace("https://devices.city.example:8443", port).replace("due()", "ends()")
    )
    bundle = "./run endpoint bundle $METER b.zip > told; python3 -m zipfile -e b.zip cloud.io"
    said = desk.run("\n".join([*ready, bundle, "python3 page.py", deny]))
    listed = said.splitlines()
    assert [line.split()[1:3] for line in listed[:2]] == [["in", "force"]] * 2
    assert listed[-1] == "certificates denied from now on: 2"
