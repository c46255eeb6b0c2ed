"""Commands end in exactly one way, whatever is killed, and none is carried out twice."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from borough.home import Home
from borough.wiring import read_bus
from ciaas.computing.broker.connection import connect
from ciaas.kernel.downlink.command import FOLLOWS, TERMINAL, Rung
from security.encryption.keyring import Role
from tests.promises.device import enrol
from tests.promises.luminaire import CABINET, Cabinet, Luminaire
from tests.promises.platform import Platform, pause, running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

KILLS = ("core", "field", "broker", "core")


@dataclass
class Wishes:
    """Somebody who keeps setting one point to values that never come twice."""

    platform: Platform
    address: str
    ids: dict[str, int] = field(default_factory=dict)
    """Command to its value, of those that the platform confirmed to have."""
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        client = self.platform.client()
        value = 0
        while not self._stop.is_set():
            value += 1
            with suppress(httpx.TransportError):
                answer = client.put(
                    f"/data/{self.address}",
                    json={"value": value, "ttl_s": 20},
                    params={"wait": random.choice([0, 0, 0.2])},
                )
                if answer.status_code in (200, 202, 409):
                    told = answer.json()
                    self.ids[told.get("command", told)["id"]] = value
            self._stop.wait(0.1)


@dataclass
class Aftermath:
    """Everything that can be known after the kills."""

    platform: Platform
    cabinet: Cabinet
    luminaire: Luminaire
    wishes: list[Wishes]
    commands: dict[str, list[dict[str, Any]]]
    """By address, oldest first."""


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    """Roles are killed, one after another, while commands are given."""
    folder = tmp_path_factory.mktemp("commands")
    with running(folder / "home") as platform, Cabinet() as cabinet:
        client = platform.client()
        client.put(f"/connections/{CABINET}", json=cabinet.document()).raise_for_status()
        [lamp] = [e for e in client.get("/endpoints").json() if e["friendlyName"] == "Lamp"]
        luminaire = Luminaire(platform, enrol(platform, "Luminaire"))
        luminaire.start()
        modbus = f"{lamp['uuid']}/lamp/light/level"
        for address in (modbus, luminaire.address):
            until(known(client, address), f"the point {address}")
            client.patch(f"/metadata/{address}", json={"verify_within_s": 4}).raise_for_status()
        wishes = [Wishes(platform, address) for address in (modbus, luminaire.address)]
        try:
            for each in wishes:
                each.start()
            for role in KILLS:
                pause(random.uniform(0.5, 1.5))
                platform.kill(role)
                pause(0.5)
                platform.wait_ready()
            pause(2)
        finally:
            for each in wishes:
                each.end()
        commands = {each.address: settled(client, each.address) for each in wishes}
        yield Aftermath(platform, cabinet, luminaire, wishes, commands)
        luminaire.leave()


def known(client: httpx.Client, address: str) -> Callable[[], bool]:
    return lambda: client.get(f"/metadata/{address}").is_success


def settled(client: httpx.Client, address: str) -> list[dict[str, Any]]:
    """Return all commands of a point, oldest first, once each has ended."""

    def ended() -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = []
        before: int | None = None
        while True:
            query: dict[str, Any] = {"address": address, "limit": 1_000}
            page = client.get(
                "/commands", params=query | ({} if before is None else {"before": before})
            )
            found += page.json()["commands"]
            before = page.json()["next"]
            if before is None:
                break
        return found[::-1] if all(command["ended"] for command in found) else None

    return until(ended, f"the end of every command of {address}", 90)


def rungs(command: dict[str, Any]) -> list[Rung]:
    return [Rung(rung["rung"]) for rung in command["rungs"]]


def test_each_command_has_exactly_one_end(aftermath: Aftermath) -> None:
    for wishes in aftermath.wishes:
        known = {command["id"]: command for command in aftermath.commands[wishes.address]}
        assert wishes.ids.keys() <= known.keys(), "a command that was answered is gone"
        assert len(known) > 20
        for command in known.values():
            steps = rungs(command)
            assert [rung in TERMINAL for rung in steps] == [False] * (len(steps) - 1) + [True]
            for before, after in pairwise(steps):
                assert after in FOLLOWS[before]


def test_commands_of_both_kinds_got_through(aftermath: Aftermath) -> None:
    for commands in aftermath.commands.values():
        ends = [command["state"] for command in commands]
        assert ends.count("verified") > 5, ends


def test_a_legacy_device_is_told_each_value_once_at_most(aftermath: Aftermath) -> None:
    told = aftermath.cabinet.told
    assert len(told) == len(set(told))


OF_OTHER_TESTS = 60_000
"""Values from this on are asked for by tests that may come before or after."""


def test_what_is_verified_was_obeyed_and_what_never_left_was_not(aftermath: Aftermath) -> None:
    ledgers: list[set[float]] = [set(aftermath.cabinet.told), set(aftermath.luminaire.told)]
    for wishes, told in zip(aftermath.wishes, ledgers, strict=True):
        for command in aftermath.commands[wishes.address]:
            if command["state"] == "verified":
                assert command["value"] in told, command
            if command["state"] in ("expired", "superseded", "rejected"):
                assert command["value"] not in told, command
    values = {c["value"] for commands in aftermath.commands.values() for c in commands}
    told_then = {value for value in ledgers[0] | ledgers[1] if value < OF_OTHER_TESTS}
    assert told_then <= values, "a device was told what nobody asked for"


def test_every_rung_has_its_line_in_the_record(aftermath: Aftermath) -> None:
    lines: dict[str, list[str]] = {}
    for path in sorted(Path(aftermath.platform.files / "audit").glob("record-*.jsonl")):
        for text in path.read_text().splitlines():
            line = json.loads(text)
            if line.get("kind") == "command":
                lines.setdefault(line["command"], []).append(line["what"])
    for commands in aftermath.commands.values():
        for command in commands:
            written = iter(lines[command["id"]])
            assert all(rung.value in written for rung in rungs(command)), command["id"]


def test_a_device_that_was_away_gets_a_set_point_at_its_greeting(
    aftermath: Aftermath,
) -> None:
    client, lamp = aftermath.platform.client(), aftermath.luminaire
    lamp.leave()
    online = f"/endpoints/{lamp.uuid}/online"
    until(lambda: client.get(online).json() is False or None, "the device to be gone")
    asked = client.put(f"/data/{lamp.address}", json={"value": 60_000, "ttl_s": 60}).json()
    assert asked["state"] == "queued"
    lamp.start()
    ended = until(
        lambda: (c := client.get(f"/commands/{asked['id']}").json())["ended"] and c, "its end"
    )
    assert (ended["state"], lamp.told[-1]) == ("verified", 60_000)


def test_a_device_that_says_nothing_leaves_the_command_unknown(aftermath: Aftermath) -> None:
    client, lamp = aftermath.platform.client(), aftermath.luminaire
    lamp.deaf = True
    try:
        answer = client.put(f"/data/{lamp.address}", params={"value": "60001", "wait": "30"}).json()
    finally:
        lamp.deaf = False
    assert answer["state"] == "unknown"
    assert answer["why"] == "not confirmed within 4 s"


def test_another_role_asks_in_the_name_of_a_user_whose_rights_core_looks_at(
    aftermath: Aftermath,
) -> None:
    platform, lamp = aftermath.platform, aftermath.luminaire
    client = platform.client()
    client.post("/users", json={"name": "automat"}).raise_for_status()
    asked = {"user": "automat", "key": "k", "address": lamp.address, "value": 60_002}

    async def ask(*requests: dict[str, Any]) -> list[dict[str, Any]]:
        seed = platform.keys().seed(Role.COMPOSE)
        url = read_bus(Home(platform.files)).url
        bus = await connect(url, seed, role="compose")
        told = [
            json.loads((await bus.request("command.request", json.dumps(r).encode(), 20)).data)
            for r in requests
        ]
        await bus.close()
        return told

    nobody = asked | {"user": "stranger"}
    nothing = asked | {"address": f"{lamp.uuid}/no/such/point"}
    refused = asyncio.run(ask(asked, nobody, nothing))
    assert {answer["why"] for answer in refused} == {
        "there is no such point, or it is not this user's to set"
    }
    grant = {"user": "automat", "prefix": lamp.address, "level": "WRITE"}
    client.put("/grants", json=grant).raise_for_status()
    first, again, other, read = asyncio.run(
        ask(asked, asked, asked | {"value": 1}, asked | {"key": "l", "value": "bright"})
    )
    assert first["rung"] == "queued" and first["id"] == again["id"]
    assert "take another key" in other["why"]
    assert (read["rung"], "is of type Number" in read["why"]) == ("rejected", True)
    ended = until(
        lambda: (c := client.get(f"/commands/{first['id']}").json())["ended"] and c, "its end"
    )
    assert (ended["state"], ended["rungs"][0]["who"]) == ("verified", "automat")
