"""The client against a running platform with an authority of its own, and things that obey."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from borough_client import Client, Event, NotTrusted, NotVerified
from borough_client.limits import TRIES_MAX
from tests.promises.device import enrol
from tests.promises.luminaire import CABINET, Cabinet, Luminaire
from tests.promises.platform import PATIENCE_S, until
from tests.promises.secure import SecurePlatform
from tests.sdk.cut_line import CutLine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecurePlatform]:
    home = tmp_path_factory.mktemp("sdk") / "home"
    platform = SecurePlatform(home, settings={"HTTPS": "true"})
    try:
        platform.start()
        yield platform
    finally:
        platform.end()


@pytest.fixture
def city(platform: SecurePlatform) -> Iterator[Client]:
    with Client(platform.url, platform.keys().cli, ca=platform.ca) as client:
        yield client


def test_whom_the_client_trusts_is_said_once(platform: SecurePlatform, city: Client) -> None:
    assert list(city.search(text="nothing is called that")) == []
    context = ssl.create_default_context(cafile=platform.ca)
    with Client(platform.url, platform.keys().cli, ca=context) as client:
        assert list(client.search(text="nothing is called that")) == []
    waits: list[float] = []
    with Client(platform.url, platform.keys().cli, sleep=waits.append) as stranger:
        with pytest.raises(NotTrusted, match=r"authority/ca\.pem as ca="):
            stranger.value("a")
        with pytest.raises(NotTrusted):
            next(stranger.live())
    assert waits == []  # another try would find the same certificate


@pytest.fixture(scope="module")
def luminaire(platform: SecurePlatform) -> Iterator[Luminaire]:
    luminaire = Luminaire(platform, enrol(platform, "Luminaire"))
    luminaire.start()
    known(platform, luminaire.address)
    yield luminaire
    luminaire.leave()


def known(platform: SecurePlatform, address: str) -> None:
    client = platform.client()
    until(lambda: client.get(f"/metadata/{address}").is_success, f"the point {address}")


def test_a_device_is_set_and_confirms(city: Client, luminaire: Luminaire) -> None:
    command = city.set(luminaire.address, 40.0)
    assert command.verified
    assert luminaire.told[-1] == 40.0
    assert [rung["rung"] for rung in command.rungs][-1] == "verified"
    assert city.value(luminaire.address) == 40.0
    assert city.command_of(command.id) == command


def test_a_wish_that_is_repeated_is_carried_out_once(city: Client, luminaire: Luminaire) -> None:
    told = len(luminaire.told)
    first = city.set(luminaire.address, 41.0, key="the same evening")
    again = city.set(luminaire.address, 41.0, key="the same evening")
    assert again.id == first.id
    assert luminaire.told[told:] == [41.0]


def test_a_device_that_says_nothing_has_confirmed_nothing(
    city: Client, platform: SecurePlatform, luminaire: Luminaire
) -> None:
    platform.client().patch(
        f"/metadata/{luminaire.address}", json={"verify_within_s": 2}
    ).raise_for_status()
    luminaire.deaf = True
    with pytest.raises(NotVerified, match="is still sent") as early:
        city.set(luminaire.address, 42.0, wait_s=0.2)
    assert not early.value.command.ended
    with pytest.raises(NotVerified, match="ended as unknown") as late:
        city.set(luminaire.address, 42.0, key="late")
    luminaire.deaf = False
    assert late.value.command.ended


def test_a_register_is_set_and_read_back(city: Client, platform: SecurePlatform) -> None:
    with Cabinet() as cabinet:
        api = platform.client()
        api.put(f"/connections/{CABINET}", json=cabinet.document()).raise_for_status()
        [lamp] = [e for e in api.get("/endpoints").json() if e["friendlyName"] == "Lamp"]
        address = f"{lamp['uuid']}/lamp/light/level"
        known(platform, address)
        assert city.set(address, 77).verified
        assert cabinet.told == [77]
        api.delete(f"/connections/{CABINET}").raise_for_status()


@dataclass
class Counter:
    """An app's point that counts upwards."""

    city: Client
    address: str
    count: int = 0

    def count_on(self, steps: int) -> None:
        for _ in range(steps):
            self.count += 1
            self.city.observe([(self.address, self.count, 1_743_289_200.0 + self.count)])


class Reader:
    """Follows a feed in a thread, as an app does that shows what comes."""

    def __init__(self, feed: Iterator[Event]) -> None:
        self.values: list[Any] = []
        self.kinds: set[str] = set()
        self.failure: BaseException | None = None
        self._feed = feed
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            for event in self._feed:
                self.kinds.add(event.kind)
                if event.kind == "samples":
                    self.values += [sample["value"] for sample in event.data]
                if self.values and self.values[-1] < 0:
                    return
        except BaseException as failure:
            self.failure = failure

    def end(self) -> None:
        self._thread.join(PATIENCE_S)
        assert self.failure is None, self.failure
        assert not self._thread.is_alive()


def test_the_feed_goes_on_after_cut_lines_and_a_killed_core(
    city: Client, platform: SecurePlatform
) -> None:
    made = platform.client().post("/endpoints", params={"friendlyName": "Counter"})
    counter = Counter(city, f"{made.raise_for_status().json()['uuid']}/Counter/count/total")
    counter.count_on(1)
    with (
        CutLine(platform.http) as line,
        Client(f"https://127.0.0.1:{line.port}", platform.keys().cli, ca=platform.ca) as far,
    ):
        reader = Reader(far.live(after="0:0", address=counter.address))
        until(lambda: reader.values, "the first value")
        for _ in range(3):
            line.cut()
            counter.count_on(5)
            wanted = counter.count
            until(lambda at=wanted: at in reader.values, "what came while the line was cut")  # type: ignore[misc] # bound at once
        pid = platform.kill("core")
        until(lambda: platform.roles()["core"]["pid"] not in (None, pid), "another core")
        platform.wait_ready()
        counter.count_on(5)
        city.observe([(counter.address, -1, 1_743_300_000.0)])
        reader.end()
    assert line.cuts >= 3
    assert reader.kinds == {"samples"}
    assert list(dict.fromkeys(reader.values)) == [*range(1, counter.count + 1), -1]


def test_calls_outlast_a_restart_of_core(platform: SecurePlatform, city: Client) -> None:
    made = platform.client().post("/endpoints", params={"friendlyName": "Patient"})
    address = f"{made.raise_for_status().json()['uuid']}/Patient/x/y"
    city.observe([(address, 1.0, 1_743_289_200.0)])
    waits: list[float] = []
    asked = threading.Event()

    def wait(seconds: float) -> None:
        waits.append(seconds)
        asked.set()
        until(platform.healthy, "core to come back")

    with Client(platform.url, platform.keys().cli, ca=platform.ca, sleep=wait) as client:
        pid = platform.kill("core")
        assert client.value(address) == 1.0
        assert 1 <= len(waits) < TRIES_MAX
        assert client.observe([(address, 2.0, 1_743_289_201.0)]).stored == 1
    until(lambda: platform.roles()["core"]["pid"] not in (None, pid), "another core")
