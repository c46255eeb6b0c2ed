"""The stock cloud.iO Python client, unedited, with nothing but the bundle it was given."""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import random
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from tests.cpaas.est_peer import EstPeer, openssl
from tests.promises.platform import PATIENCE_S, Platform, free_port, pause, until

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(240)]

STOCK_DEVICE = Path(__file__).with_name("stock_device.py")
"""Run by path: importing it takes the client's package, which only CI is sure to have."""
PORT = 8883
"""The only one that the client knows."""
AFTER_CONNECTING_S = 5.0
"""For four seconds after it connected, the client would not notice that the connection was lost."""


def free_address() -> str:
    """Return an address of the loopback on which the client's port is free."""
    while True:
        address = f"127.0.{random.randrange(1, 255)}.{random.randrange(1, 255)}"
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((address, PORT))
            return address


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    settings = {"EST": f"127.0.0.1:{free_port()}"}
    started = Platform(tmp_path_factory.mktemp("stock") / "home", settings=settings)
    started.mqtts = f"{free_address()}:{PORT}"
    try:
        started.start()
        yield started
    finally:
        started.end()


class Lamp:
    """An endpoint whose device runs the stock client in a process of its own."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.client = platform.client()
        made = self.client.post("/endpoints", params={"friendlyName": "Lamp 12"})
        self.uuid: str = made.json()["uuid"]
        self.folder = folder
        self._log = folder / "client.log"
        self._done: queue.Queue[str] = queue.Queue()
        self._unpack(platform)
        self.process = self._start()

    def tell(self, *order: Any) -> None:
        """Give the device an order and wait until it has done it."""
        pause(0.005)  # its clock has milliseconds, and of two values at one time the later counts
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        try:
            self._done.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise AssertionError(f"{order} is not done:\n{self._log.read_text()}") from None

    def online(self) -> bool:
        answer: bool = self.client.get(f"/endpoints/{self.uuid}/online").json()
        return answer

    def wait_online(self, wanted: bool) -> None:
        until(lambda: self.online() is wanted or None, f"online {wanted}\n{self._log.read_text()}")

    def nodes(self) -> set[str]:
        model = self.client.get(f"/endpoints/{self.uuid}").json()["dataModel"]
        return set() if model is None else set(model["nodes"])

    def values(self, name: str) -> list[Any]:
        """Return what history has of an attribute, but for what the client gave no time to.

        It announces the value of the moment with each node, and again each time it connects.
        """
        answer = self.client.get(f"/history/{self.uuid}/{name}")
        rows = [] if answer.status_code == 404 else answer.json()
        return [row["value"] for row in rows if row.get("reason") != "no-timestamp"]

    def wait_values(self, name: str, wanted: list[Any]) -> None:
        patience = time.monotonic() + PATIENCE_S
        while (found := self.values(name)) != wanted:
            assert time.monotonic() < patience, f"{found} is not {wanted}\n{self._log.read_text()}"
            pause(0.1)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._listening.join()
        if self.process.stdin is not None:
            self.process.stdin.close()

    def _unpack(self, platform: Platform) -> None:
        """Fetch the bundle as a device would: with the token alone."""
        token = self.client.post(f"/endpoints/{self.uuid}/provisionToken").text
        answer = httpx.get(
            f"http://{platform.http}/api/v1/provision/{token}",
            headers={"Accept": "application/zip"},
        )
        assert answer.status_code == 200, answer.text
        where = self.folder / ".config" / "cloud.io"
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            archive.extractall(where)
        assert (where / f"{self.uuid}.properties").exists()

    def _start(self) -> subprocess.Popen[str]:
        with self._log.open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore", str(STOCK_DEVICE), self.uuid],
                env={**os.environ, "HOME": str(self.folder)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert process.stdout is not None
        self._listening = threading.Thread(target=self._listen, args=(process.stdout,))
        self._listening.start()
        return process

    def _listen(self, output: IO[str]) -> None:
        with output:
            for line in output:  # the client prints between the answers
                if line == "done\n":
                    self._done.put(line)


@pytest.fixture
def lamp(platform: Platform, tmp_path: Path) -> Iterator[Lamp]:
    started = Lamp(platform, tmp_path)
    try:
        started.tell("online", True)
        started.wait_online(True)
        yield started
    finally:
        started.end()


def test_it_connects_measures_in_both_formats_and_leaves(lamp: Lamp) -> None:
    lamp.tell("add", "lamp")
    until(lambda: lamp.nodes() == {"lamp"} or None, "the node in the model")
    model = lamp.client.get(f"/endpoints/{lamp.uuid}").json()["dataModel"]
    assert model["nodes"]["lamp"]["implements"] == ["Luminaire"]
    assert lamp.client.get(f"/endpoints/{lamp.uuid}").json()["feed"] == "device"
    power = "lamp/light/power"
    for number, format_ in enumerate(("cbor", "json")):
        lamp.tell("format", format_)
        lamp.tell("set", "lamp/power", 20.5 + number)
        lamp.tell("set", "lamp/state", f"burning {format_}")
        lamp.tell("transaction", {"lamp/power": 30.5 + number, "lamp/state": "dim"})
    lamp.wait_values(power, [20.5, 30.5, 21.5, 31.5])
    lamp.wait_values("lamp/light/state", ["burning cbor", "dim", "burning json", "dim"])
    last = lamp.client.get(f"/data/{lamp.uuid}/{power}").json()
    assert (last["value"], last["type"], last["verdict"]) == (31.5, "Number", "good")
    lamp.tell("add", "second")
    until(lambda: lamp.nodes() == {"lamp", "second"} or None, "the second node")
    lamp.tell("remove", "lamp")
    until(lambda: lamp.nodes() == {"second"} or None, "the first node gone")
    assert lamp.client.get(f"/data/{lamp.uuid}/{power}").status_code == 404
    assert len(lamp.values(power)) == 4
    quarantined = lamp.client.get("/quarantine", params={"endpoint": lamp.uuid}).json()
    assert quarantined == []
    lamp.tell("close")
    lamp.wait_online(False)


@pytest.mark.parametrize("format_", ["json", "cbor"])
def test_it_is_set_and_confirms_in_both_formats(lamp: Lamp, format_: str) -> None:
    lamp.tell("format", format_)
    lamp.tell("add_dimmer", "dimmer")
    until(lambda: lamp.nodes() == {"dimmer"} or None, "the node in the model")
    for name, values in (
        ("level", [42.5, 42.5, 0]),
        ("steps", [7]),
        ("scene", ["evening"]),
        ("on", [True, False]),
    ):
        for value in values:
            address = f"{lamp.uuid}/dimmer/light/{name}"
            answer = lamp.client.put(
                f"/data/{address}", json={"value": value}, params={"wait": 30}
            ).json()
            assert (answer["state"], answer["value"]) == ("verified", value), answer
            assert lamp.client.get(f"/data/{address}").json()["value"] == value


def test_a_parameter_waits_for_it_while_it_is_away(lamp: Lamp) -> None:
    lamp.tell("add_dimmer", "dimmer")
    until(lambda: lamp.nodes() == {"dimmer"} or None, "the node in the model")
    pause(AFTER_CONNECTING_S)
    lamp.process.kill()
    lamp.wait_online(False)
    lamp.end()
    steps = f"{lamp.uuid}/dimmer/light/steps"
    asked = lamp.client.put(f"/data/{steps}", json={"value": 9}).json()
    assert asked["state"] == "queued"
    lamp.process = lamp._start()
    lamp.tell("online", True)
    lamp.tell("add_dimmer", "dimmer")
    ended = until(
        lambda: (c := lamp.client.get(f"/commands/{asked['id']}").json())["ended"] and c,
        "the end of the command",
    )
    assert (ended["state"], ended["value"]) == ("verified", 9), ended


def test_what_it_measured_during_an_outage_comes_later_and_nothing_twice(
    platform: Platform, lamp: Lamp
) -> None:
    lamp.tell("add", "lamp")
    lamp.tell("set", "lamp/power", 1.0)
    lamp.wait_values("lamp/light/power", [1.0])
    pause(AFTER_CONNECTING_S)
    # All of it at once: a broker that is killed alone is back before the client has noticed.
    platform.kill("up")
    lamp.tell("online", False)
    for value in (2.0, 3.0, 4.0):
        lamp.tell("set", "lamp/power", value)
    platform.start()
    lamp.tell("online", True)
    lamp.wait_online(True)
    lamp.wait_values("lamp/light/power", [1.0, 2.0, 3.0, 4.0])
    lamp.tell("set", "lamp/power", 5.0)
    lamp.wait_values("lamp/light/power", [1.0, 2.0, 3.0, 4.0, 5.0])


def test_when_it_is_killed_it_is_offline_and_back_again_with_the_same_bundle(
    platform: Platform, lamp: Lamp
) -> None:
    lamp.process.kill()
    lamp.wait_online(False)
    lamp.end()
    lamp.process = lamp._start()
    lamp.tell("online", True)
    lamp.wait_online(True)


def test_it_comes_back_with_a_certificate_that_was_renewed_by_est(
    platform: Platform, lamp: Lamp
) -> None:
    where = lamp.folder / ".config" / "cloud.io"
    files = [where / f"{lamp.uuid}-{name}.pem" for name in ("client-cert", "private-key")]
    request = openssl(
        *("req", "-new", "-key", str(files[1]), "-outform", "DER"),
        *(
            "-subj",
            f"/CN={lamp.uuid}/O=client",
            "-addext",
            f"subjectAltName=URI:urn:uuid:{lamp.uuid}",
        ),
    )
    peer = EstPeer(platform._settings["EST"], where / "ca-cert.pem")
    [renewed] = peer.renew((files[0], files[1]), request).certificates()
    lamp.process.kill()
    lamp.wait_online(False)
    lamp.end()
    [first, second] = lamp.client.get(f"/endpoints/{lamp.uuid}/certificates").json()
    path = f"/endpoints/{lamp.uuid}/certificates/{first['serial']}"
    assert lamp.client.delete(path).status_code == 204  # so that only the new one opens the door
    files[0].write_text(renewed)
    lamp.process = lamp._start()
    lamp.tell("online", True)
    lamp.wait_online(True)
    lamp.tell("add", "lamp")
    lamp.tell("set", "lamp/power", 7.0)
    lamp.wait_values("lamp/light/power", [7.0])
    assert not second["revoked"]


def test_when_it_is_banned_it_is_cut_off_and_stays_out(lamp: Lamp) -> None:
    ban = f"/endpoints/{lamp.uuid}/banned"
    assert lamp.client.put(ban, params={"blocked": True}).status_code == 204
    lamp.wait_online(False)
    pause(1.0)
    assert not lamp.online()


def test_when_its_endpoint_is_deleted_it_is_cut_off(lamp: Lamp) -> None:
    lamp.tell("add", "lamp")
    lamp.tell("set", "lamp/power", 1.0)
    lamp.wait_values("lamp/light/power", [1.0])
    assert lamp.client.delete(f"/endpoints/{lamp.uuid}").json()["certificatesRevoked"] == 1
    lamp.tell("online", False)
    assert lamp.values("lamp/light/power") == [1.0]
