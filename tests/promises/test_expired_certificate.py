"""A session ends with its certificate, by the broker alone, and nobody comes in with an old one."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator

import pytest
from cryptography import x509

from borough.clock import MachineClock
from borough.home import Home
from borough.roles.renewed_broker import BROKER_CERTIFICATE_DAYS
from borough.wiring import create_keys
from security.encryption.authority import Authority
from security.limits import EXPIRY_GRACE_S
from tests.promises.device import Device, enrol
from tests.promises.platform import Platform, running, until
from tests.security.encryption.test_tiers import old_home

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

LIFE_S = 5
DAY_S = 86_400
SLACK_S = 3.0
"""The broker's clock for it goes by seconds, and a loaded machine may be late."""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform on a home of an earlier version, whose one authority signs everything."""
    home = Home(tmp_path_factory.mktemp("expired") / "home")
    home.prepare()
    old_home(home.authority, create_keys(home).ca_passphrase)
    with running(home.path, settings={"DEVICE_CERTIFICATE_DAYS_MIN": "0.00001"}) as started:
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


def test_the_certificate_of_the_broker_is_renewed_while_it_runs(platform: Platform) -> None:
    device = Device(platform, enrol(platform, "lamp"))
    device.join()
    path = platform.files / "broker/server.pem"
    clock = MachineClock().now_ms
    authority = Authority.open(platform.files / "authority", platform.keys().ca_passphrase, clock)
    key = (platform.files / "broker/server.key").read_bytes()
    before, core = shown(platform), platform.pid("core")
    # Past two thirds of its life already, since every one is a little backdated.
    old = authority.issue_server(["localhost"], ["127.0.0.1"], 100 / DAY_S, key)
    path.write_bytes(old.certificate_pem)
    path.touch()
    until(lambda: shown(platform) not in (before, old.fingerprint), "another certificate")
    serving = x509.load_pem_x509_certificate(path.read_bytes())
    left = serving.not_valid_after_utc.timestamp() - time.time()
    assert left > (BROKER_CERTIFICATE_DAYS - 1) * DAY_S
    # The broker has devices ask again; roles, on whose connections everything hangs, stay.
    assert platform.healthy() and platform.pid("core") == core
    until(device.connected.is_set, "the device to be back")
    device.publish(f"@update/{device.addresses[0]}", b'{"value": 1.0}')
    device.leave()


def shown(platform: Platform) -> str:
    """Return the fingerprint of the certificate that the devices' port shows now."""
    host, _, port = platform.mqtts.rpartition(":")
    context = ssl.create_default_context(cafile=str(platform.files / "authority/ca.pem"))
    with socket.create_connection((host, int(port))) as plain:
        with context.wrap_socket(plain, server_hostname=host) as tls:
            return hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()
