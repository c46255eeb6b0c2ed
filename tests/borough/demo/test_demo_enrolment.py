"""Enrolment through the API: whole at the first start, silent at the second."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from borough.demo import enrol as enrol_module
from borough.demo.city.plan import measurands, quarter
from borough.demo.city.thing import Path as Way
from borough.demo.devices.registers import connection as registers_connection
from borough.demo.enrol import PROJECT, Folders, Notes, enrol, enrolled
from borough.demo.gateways import CONNECTION
from borough.demo.platform_api import Platform, PlatformError
from borough.demo.recordings.replay import DAY_MS
from tests.borough.demo.quarter_broker import Authority
from tests.borough.demo.small_platform import TOKEN, SmallPlatform

# One of each way and kind of recording is enough: every thing is enrolled alike.
THINGS = tuple(
    thing
    for path in (Way.MQTT, Way.MODBUS)
    for thing in [one for one in quarter() if one.path is path][:3]
)


def run(platform: SmallPlatform, folders: Folders) -> Notes:
    async def work(http: str) -> Notes:
        async with Platform(http, TOKEN) as connection:
            coming: asyncio.Future[list[dict[str, Any]]] = (
                asyncio.get_running_loop().create_future()
            )
            polled = tuple(thing for thing in THINGS if thing.path is Way.MODBUS)
            coming.set_result([registers_connection(CONNECTION, polled, "127.0.0.1", 1502)])
            return await enrol(connection, THINGS, folders, coming)

    with platform.served() as http:
        platform.asked.clear()
        return asyncio.run(work(http))


@pytest.fixture
def platform(authority: Authority) -> SmallPlatform:
    return SmallPlatform(authority)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "demo")


def test_first_start_enrols_everything(platform: SmallPlatform, folders: Folders) -> None:
    notes = run(platform, folders)
    assert platform.projects == ["city", PROJECT]
    assert set(platform.endpoints) == {thing.uuid for thing in THINGS}
    assert notes.past[1] - notes.past[0] == 14 * DAY_MS
    for thing in THINGS:
        overlay = platform.overlays[thing.uuid]
        assert overlay["origin"] == str(thing.origin)
        assert overlay["backfilled"].keys() == {"from", "to"}
    classes = {f"class:{measurand.conforms}" for measurand in measurands(THINGS)}
    assert classes <= platform.overlays.keys()
    polled = [thing.uuid for thing in THINGS if thing.path is Way.MODBUS]
    devices = platform.connections[CONNECTION]["devices"]
    assert [device["uuid"] for device in devices] == polled
    assert enrolled(THINGS, folders)


def test_enrolment_asks_for_several_things_at_a_time_and_not_for_all(
    platform: SmallPlatform, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrol_module, "ENROL_PARALLEL_MAX", 3)
    platform.pause_s = 0.02
    run(platform, folders)
    assert 1 < platform.inside_most <= 3


def test_keys_stay_with_the_devices_and_match_their_certificates(
    platform: SmallPlatform, folders: Folders
) -> None:
    run(platform, folders)
    for thing in THINGS:
        key_file = folders.identities / f"{thing.uuid}.key"
        assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        certificate = x509.load_pem_x509_certificate(
            (folders.identities / f"{thing.uuid}.pem").read_bytes()
        )
        assert certificate.public_key() == key.public_key()
    assert stat.S_IMODE(folders.identities.stat().st_mode) == 0o700


def test_second_start_creates_and_changes_nothing(
    platform: SmallPlatform, folders: Folders
) -> None:
    first = run(platform, folders)
    again = run(platform, folders)
    assert again == first
    changing = {word: n for word, n in platform.asked.items() if not word.startswith("GET")}
    assert changing == {"PUT connections": 1}


def test_interrupted_enrolment_is_completed(platform: SmallPlatform, folders: Folders) -> None:
    run(platform, folders)
    lost = THINGS[5].uuid
    (folders.identities / f"{lost}.pem").unlink()
    assert not enrolled(THINGS, folders)
    run(platform, folders)
    assert platform.asked["POST endpoints"] == 1
    assert enrolled(THINGS, folders)


def test_other_authority_means_new_certificates(
    platform: SmallPlatform, folders: Folders, tmp_path: Path
) -> None:
    run(platform, folders)
    (tmp_path / "other").mkdir()
    platform.authority = Authority(tmp_path / "other")
    run(platform, folders)
    assert platform.asked["POST endpoints"] == len(THINGS)
    assert folders.authority.read_text() == platform.authority.pem.read_text()


def test_endpoint_that_was_deleted_is_explained(platform: SmallPlatform, folders: Folders) -> None:
    deleted = THINGS[0].uuid

    class Forgetful(dict[str, dict[str, object]]):
        def __iter__(self):  # type: ignore[no-untyped-def]
            return (uuid for uuid in self.keys() if uuid != deleted)

    platform.endpoints = Forgetful({deleted: {}})
    with pytest.raises(PlatformError, match="start the demo with another home"):
        run(platform, folders)
