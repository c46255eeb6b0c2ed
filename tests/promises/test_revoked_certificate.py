"""A denied certificate ends its session and opens no other, whatever is killed meanwhile."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from borough.clock import MachineClock
from ciaas.storage.registry import open_registry
from tests.promises.device import Device, Enrolled, enrol
from tests.promises.platform import Platform, pause, running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

PROMISED_S = 5.0


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with running(tmp_path_factory.mktemp("revoked") / "home") as started:
        yield started


@pytest.fixture
def enrolled(platform: Platform) -> Enrolled:
    return enrol(platform, "lamp")


@pytest.fixture
def device(platform: Platform, enrolled: Enrolled) -> Iterator[Device]:
    connected = Device(platform, enrolled)
    connected.join()
    yield connected
    connected.leave()


def is_gone(device: Device) -> None:
    """Make sure that the session ends in time, and that the next tries are turned away."""
    until(lambda: not device.connected.is_set(), "the end of the session", PROMISED_S)
    is_refused_again(device)


def is_refused_again(device: Device) -> None:
    before = len(device.refused)
    until(lambda: len(device.refused) > before + 1, "two refusals")
    assert not device.connected.is_set()


def test_its_session_ends_and_no_restart_lets_it_in_again(
    platform: Platform, enrolled: Enrolled, device: Device
) -> None:
    path = f"/endpoints/{enrolled.uuid}/certificates"
    assert platform.client().delete(f"{path}/{enrolled.serial}").status_code == 204
    is_gone(device)
    for role in ("broker", "core"):
        killed = platform.kill(role)
        until(lambda: platform.pid(role) != killed, f"another {role}")  # noqa: B023 - asked at once
        platform.wait_ready()
        is_refused_again(device)
    [entry] = platform.client().get(path).json()
    assert (entry["serial"], entry["revoked"]) == (enrolled.serial, True)
    assert entry["issuedAt"] < entry["revokedAt"] < entry["notAfter"]

    renewed = Device(platform, enrol(platform, "", again=enrolled.uuid))
    device.leave()
    renewed.join()
    renewed.leave()


def test_all_certificates_of_an_endpoint_at_once_and_the_others_stay(
    platform: Platform, enrolled: Enrolled, device: Device
) -> None:
    neighbour = Device(platform, enrol(platform, "neighbour"))
    neighbour.join()
    other = enrol(platform, "", again=enrolled.uuid)
    answer = platform.client().delete(f"/endpoints/{enrolled.uuid}/certificates")
    assert answer.json() == {"certificatesRevoked": 2}
    is_gone(device)
    device.leave()
    second = Device(platform, other)
    second.start()
    is_refused_again(second)
    second.leave()
    assert neighbour.connected.is_set()
    neighbour.leave()


def test_what_the_broker_did_not_hear_is_said_again(
    platform: Platform, enrolled: Enrolled, device: Device
) -> None:
    """The broker stands still for longer than core waits for its answer."""
    broker = platform.pid("broker")
    os.kill(broker, signal.SIGSTOP)
    try:
        path = f"/endpoints/{enrolled.uuid}/certificates/{enrolled.serial}"
        assert platform.client().delete(path).status_code == 204
        pause(6.0)
        assert device.connected.is_set()
    finally:
        os.kill(broker, signal.SIGCONT)
    is_gone(device)
    assert platform.pid("broker") == broker


def test_a_core_that_dies_before_it_told_the_broker_makes_up_for_it(
    platform: Platform, enrolled: Enrolled, device: Device
) -> None:
    # Exactly what is left of a core that is killed between the two: the registry knows.
    with open_registry(platform.files / "registry.sqlite", clock=MachineClock()) as registry:
        registry.certificates.revoke_certificate(enrolled.serial)
    killed = platform.kill("core")
    assert device.connected.is_set()
    until(lambda: platform.pid("core") != killed, "another core")
    until(lambda: not device.connected.is_set(), "the end of the session")
    is_refused_again(device)
