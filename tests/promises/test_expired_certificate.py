"""A session ends with its certificate, by the broker alone, and nobody comes in with an old one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
from cryptography import x509

from security.limits import EXPIRY_GRACE_S
from tests.promises.device import Device, enrol
from tests.promises.platform import Platform, running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

LIFE_S = 6
DAY_S = 86_400
SLACK_S = 3.0
"""The broker's clock for it goes by seconds, and a loaded machine may be late."""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    home = tmp_path_factory.mktemp("expired") / "home"
    with running(home, settings={"DEVICE_CERTIFICATE_DAYS_MIN": "0.00001"}) as started:
        yield started


def test_a_live_session_ends_at_expiry_and_grace(platform: Platform) -> None:
    enrolled = enrol(platform, "lamp", days=LIFE_S / DAY_S)
    ends = x509.load_pem_x509_certificate(enrolled.certificate).not_valid_after_utc.timestamp()
    device = Device(platform, enrolled)
    device.join()
    core = platform.pid("core")
    os.kill(core, signal.SIGSTOP)  # nobody is there to tell the broker when
    try:
        until(lambda: time.time() > ends, "the end of the certificate")
        assert device.connected.is_set()
        until(lambda: not device.connected.is_set(), "the end of the session")
        gone = time.time()
    finally:
        os.kill(core, signal.SIGCONT)
    assert ends + EXPIRY_GRACE_S - 1 <= gone <= ends + EXPIRY_GRACE_S + SLACK_S
    uuid = enrolled.uuid
    offline = f"/endpoints/{uuid}/online"
    until(lambda: platform.client().get(offline).json() is False, "presence to know of it")
    assert not device.connected.is_set()
    device.leave()


def test_a_life_below_the_bound_is_refused_unless_the_setting_says_so(platform: Platform) -> None:
    client = platform.client()
    uuid = client.post("/endpoints", params={"friendlyName": "lamp"}).json()["uuid"]
    answer = client.post(f"/endpoints/{uuid}/certificate", json={"csr": "x", "days": 31})
    assert answer.status_code == 422
    assert "1e-05 to 30 days" in answer.json()["detail"]
