"""A payload is read by itself: nothing in it reaches the messages that lie next to it.

Read as one array, or line by line as one text, three payloads of which the first leaves an array
open and the last closes it give three good results, and the value in the middle is the attacker's.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import time
from pathlib import Path

import cbor2
import httpx
import pytest

from tests.promises.device import Device, enrol
from tests.promises.platform import Platform, running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

_TRUE, _FORGED = 20.5, 666.0


def test_values_between_forged_payloads_stay_as_they_were_sent(tmp_path: Path) -> None:
    with running(tmp_path / "home") as platform:
        attacker = Device(platform, enrol(platform, "attacker"))
        victim = Device(platform, enrol(platform, "victim"))
        for device in (attacker, victim):
            device.join()
        now = round(time.time() * 1000)
        opened = forge_json(now)
        check_that_a_joined_decoder_is_fooled(opened, now)
        cbor_open = cbor2.dumps({"timestamp": now / 1000, "value": _FORGED})[:-9] + b"\x9f"
        sets = [(opened, b"0]}"), (opened + b"\n", b"\n0]}"), (cbor_open, b"\xff")]
        in_one_batch(platform, attacker, victim, sets, now)
        client = platform.client()
        address = victim.addresses[0]
        rows = client.get(f"/history/{address}").raise_for_status().json()
        assert [row["value"] for row in rows] == [_TRUE] * len(sets)
        assert [row["verdict"] for row in rows] == ["good"] * len(sets)
        own = client.get(f"/history/{attacker.addresses[0]}")
        assert own.is_error or _FORGED not in [row["value"] for row in own.json()]
        set_aside(client, attacker.uuid, [payload for pair in sets for payload in pair])
        assert not client.get("/quarantine", params={"endpoint": victim.uuid}).json()
        for device in (attacker, victim):
            device.leave()


def forge_json(now: int) -> bytes:
    """Return a payload that swallows what follows it, up to ``0]}``."""
    one = json.dumps({"timestamp": now / 1000, "value": 1.0})
    forged = json.dumps({"timestamp": now / 1000, "value": _FORGED})
    return f'{one},{forged},{{"timestamp":1,"value":2.0,"x":[0'.encode()


def check_that_a_joined_decoder_is_fooled(opened: bytes, now: int) -> None:
    """The attack is one: a decoder that reads a batch in one call gives the victim's place away."""
    victim = json.dumps({"timestamp": now / 1000, "value": _TRUE}).encode()
    joined = json.loads(b"[" + b",".join([opened, victim, b"0]}"]) + b"]")
    assert [reading["value"] for reading in joined] == [1.0, _FORGED, 2.0]


def in_one_batch(
    platform: Platform,
    attacker: Device,
    victim: Device,
    sets: list[tuple[bytes, bytes]],
    now: int,
) -> None:
    """Send each victim's value between two payloads, all while core cannot read them."""
    core = platform.pid("core")
    os.kill(core, signal.SIGSTOP)
    try:
        for number, (before, after) in enumerate(sets):
            value = {"timestamp": (now + number) / 1000, "value": _TRUE}
            attacker.publish(f"@update/{attacker.addresses[0]}", before)
            victim.publish(f"@update/{victim.addresses[0]}", json.dumps(value).encode())
            attacker.publish(f"@update/{attacker.addresses[0]}", after)
    finally:
        os.kill(core, signal.SIGCONT)
    client = platform.client()
    until(lambda: len(listed(client, victim.addresses[0])) == len(sets), "the record of the values")


def listed(client: httpx.Client, address: str) -> list[dict[str, object]]:
    answer = client.get(f"/history/{address}")
    return answer.json() if answer.is_success else []


def set_aside(client: httpx.Client, sender: str, payloads: list[bytes]) -> None:
    """Make sure that all of the attacker's payloads lie in quarantine, as they came."""
    entries = client.get("/quarantine", params={"endpoint": sender}).raise_for_status().json()
    kept = [base64.b64decode(entry["payload"]) for entry in entries]
    for payload in payloads:
        assert any(part and part in payload for part in kept), payload
    assert {entry["reason"] for entry in entries} <= {"malformed", "trailing"}
