"""The HTTP API over real stores: registry on SQLite, history on DuckDB, record on disk."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from borough.clock import MachineClock
from borough.home import Home
from borough.roles.applications import CityApplications
from borough.roles.backup import Backup
from borough.roles.chains import ChainedRecord
from borough.roles.composing import workshop
from borough.roles.confidential import CityConfidential
from borough.roles.core import judge_of
from borough.roles.documents import DocumentDoor
from borough.roles.enrolment import batches_of
from borough.roles.events import CityEvents
from borough.roles.finding import Finding
from borough.roles.http import serving
from borough.roles.keys import CityKeys
from borough.roles.people import CityPeople
from borough.roles.processing import build_processing
from borough.roles.rights_feed import RightsFeed, enrol_local
from borough.roles.sealing import CHECKPOINTS_FILE, Sealing
from borough.settings import Listen, Settings
from ciaas.kernel.address import EndpointId
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.uplink import Uplink
from ciaas.management.provisioning import Provisioning
from ciaas.ports import Batch, Commit, Message
from ciaas.storage.accesses import AccessIndex
from ciaas.storage.checkpoints import CheckpointIndex
from ciaas.storage.history import DuckHistory, open_history
from ciaas.storage.record import RecordFile
from ciaas.storage.registry import Registry, migrate, open_registry
from cpaas.access.app import create_app
from cpaas.access.assurance import Assurance
from cpaas.access.city import City, Observation
from cpaas.access.pages.folder import PageFolder
from security.aaa.accounts import Accounts
from security.aaa.checkpoints import Signer
from security.aaa.masking import Mask
from security.aaa.oidc.tokens.access import AccessTokens
from security.aaa.outage import Outage
from security.aaa.passwords import Passwords
from security.aaa.tokens import Scope
from security.encryption.authority import Authority
from security.encryption.keyring import KeyRing
from tests.cpaas.hands import Hands, downlink_of

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
"""Signs the record's checkpoints."""
SECRET = "bor_" + "a" * 43
"""Token of the administrator that every house begins with."""
API = "/api/v1"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Never used: otherwise each client reads the authorities of the whole world first."""
OBJECTS_QUOTA = 1_000_000
USER_SCOPES = frozenset(Scope) - {Scope.ADMIN}


class Silent:
    """A bus on which nothing comes."""

    def take(self) -> None:
        return None

    def acknowledge(self, batch: Batch) -> None:
        raise AssertionError("nothing was taken")

    def purge(self, batch: Batch) -> None:
        raise AssertionError("nothing was taken")


class SilentVolatile:
    def take(self) -> Sequence[Message]:
        return []


@dataclass
class Room:
    """Who is online, as the test says; and whom the API wanted gone."""

    inside: set[str] = field(default_factory=set)
    sent_away: list[str] = field(default_factory=list)

    def online(self, uuid: EndpointId) -> bool:
        return uuid in self.inside

    def present(self) -> set[EndpointId]:
        return set(map(EndpointId, self.inside))

    def disconnect(self, uuid: EndpointId) -> None:
        self.sent_away.append(uuid)


@dataclass
class House:
    """Everything behind the API, and clients of it."""

    city: City
    base_url: str
    registry: Registry
    history: DuckHistory
    record: RecordFile
    uplink: Uplink
    room: Room
    waiting: list[str | None]
    """What ``ready`` answers: the last entry."""
    hands: Hands
    """What becomes of commands."""
    clients: list[httpx.Client] = field(default_factory=list)

    def client(self, token: str | None = SECRET, base_url: str | None = None) -> httpx.Client:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.clients.append(
            httpx.Client(
                base_url=base_url or self.base_url, headers=headers, timeout=30.0, verify=NO_TLS
            )
        )
        return self.clients[-1]

    def user(
        self,
        name: str,
        grants: Mapping[str, str] | None = None,
        scopes: frozenset[Scope] = USER_SCOPES,
    ) -> httpx.Client:
        """Return a client of a new user without a password; grants are level by prefix."""
        user = self.city.accounts.add_user(name, None)
        for prefix, level in (grants or {}).items():
            self.grant(name, prefix, level)
        return self.client(self.city.accounts.issue_token(user.id, "test", scopes, None).text)

    def grant(self, user: str, prefix: str, level: str) -> None:
        body = {"user": user, "prefix": prefix, "level": level}
        answer = self.client().put("/grants", json=body)
        assert answer.status_code == 204, answer.text

    def project(self, name: str) -> None:
        assert self.client().post("/projects", json={"name": name}).status_code == 201

    def endpoint(self, name: str = "Lamp 12", project: str = "city") -> str:
        made = self.client().post("/endpoints", params={"friendlyName": name, "project": project})
        assert made.status_code == 201, made.text
        uuid: str = made.json()["uuid"]
        return uuid

    def observe(self, *samples: tuple[str, Any, float | None]) -> httpx.Response:
        observations = [{"address": a, "value": v, "timestamp": t} for a, v, t in samples]
        return self.client().post("/observations", json={"observations": observations})

    def seal(self) -> None:
        """Take the checkpoints of all that is on record."""
        Sealing(
            self.record,
            self.city.assurance.signer,
            self.registry.checkpoints,
            self.record.directory,
            self.city.clock.now_ms,
        ).look(last=True)

    def recorded(self) -> list[dict[str, Any]]:
        """Return what the record holds of accesses, in order; each once."""
        entries = self.record.read(0, 10_000)
        found = [entry for entry in entries if entry.get("kind") == "access"]
        return [entry for entry in found if not entry.get("about", {}).get("part")]


@contextmanager
def served(
    city: City, events: CityEvents | None = None, listen: Listen | None = None
) -> Iterator[str]:
    """Serve the application over real HTTP from a thread; gives the base address."""
    listen = listen or free_listen()
    ended = asyncio.Event()
    loop = asyncio.new_event_loop()
    up = threading.Event()

    async def serve() -> None:
        async with serving(create_app(city), listen):
            if events is not None:
                events.start()
                await events.deliver()
            up.set()
            await ended.wait()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert up.wait(10)
    try:
        yield f"http://{listen}{API}"
    finally:
        if events is not None:
            asyncio.run_coroutine_threadsafe(events.close(), loop).result(30)
        loop.call_soon_threadsafe(ended.set)
        _ENDING.append(thread)


def free_listen() -> Listen:
    """Return an address of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return Listen("127.0.0.1", probe.getsockname()[1])


_ENDING: list[threading.Thread] = []
"""Servers that were told to end: each takes two pauses of 0.1 s for it, with nothing to answer."""


@pytest.fixture(scope="session", autouse=True)
def servers_end() -> Iterator[None]:
    yield
    for thread in _ENDING:
        thread.join()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One for all tests: making its key takes most of a second."""
    folder = tmp_path_factory.mktemp("authority")
    return Authority.create(folder, b"passphrase", MachineClock().now_ms)


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry as a first start makes it, to be copied: making it takes a fifth of a second."""
    path = tmp_path_factory.mktemp("ground") / "registry.sqlite"
    migrate(path)
    with open_registry(path, clock=MachineClock()) as registry:
        registry.resources.create_project("city")
        enrol_local(registry, SECRET)
    return path


@pytest.fixture
def house(tmp_path: Path, ground: Path, authority: Authority) -> Iterator[House]:
    with open_house(tmp_path, ground, authority) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_house(
    tmp_path_factory: pytest.TempPathFactory, ground: Path, authority: Authority
) -> Iterator[House]:
    """One for all tests of a module that look only, or make what they need themselves."""
    with open_house(tmp_path_factory.mktemp("house"), ground, authority) as opened:
        yield opened


@contextmanager
def open_house(folder: Path, ground: Path, authority: Authority) -> Iterator[House]:
    clock = MachineClock()
    shutil.copy(ground, folder / "registry.sqlite")
    registry = open_registry(folder / "registry.sqlite", clock=clock)
    keys = KeyRing.create(Home(folder).keys)
    history = open_history(None, clock=clock)
    lines = RecordFile(folder / "audit", clock.now_ms)
    accesses = AccessIndex(folder / "accesses.sqlite", lines)
    covered = CheckpointIndex(folder / "checkpoints.sqlite", folder / "audit" / CHECKPOINTS_FILE)
    backup = Backup(Home(folder), history, lines, clock.now_ms)
    catalogue = Catalogue(registry.resources)
    record = ChainedRecord(lines, catalogue, registry.resources.projects)
    rights = RightsFeed(registry)
    listen = free_listen()
    applications = CityApplications(
        registry, keys, f"http://{listen}", lambda: rights.rights.version, clock, ("127.0.0.0/8",)
    )
    settings = Settings(home=folder, outgoing_allow=("127.0.0.0/8",), mode="public")
    people = CityPeople(settings, registry, keys, catalogue, rights.rights, record.owners, clock)
    accounts = accounts_of(registry, clock, rights, applications.access, people)

    def hold(version: int) -> None:
        catalogue.refresh()
        rights.refresh()

    registry.on_change(hold)
    failures: list[BaseException] = []
    room = Room()
    finding = Finding(catalogue, history, registry, rights, room, clock)
    events = CityEvents(
        history,
        registry,
        catalogue,
        finding.directory,
        clock,
        settings,
        keys.envelope("webhooks"),
        failures.append,
        record.append,
    )
    hands = Hands()
    downlink = downlink_of(
        registry, catalogue, history, rights.rights, record, clock, hands, failures
    )
    downlink.on_steps(events.stepped)
    downlink.start()

    def offer(commit: Commit) -> None:
        people.storage.committed(commit)
        events.offer(commit)
        downlink.observe(commit)

    uplink = uplink_of(history, catalogue, failures, offer)
    uplink.start()
    waiting: list[str | None] = [None]
    confidential = CityConfidential(Home(folder), keys, registry, catalogue, history, clock)
    confidential.on_erasure(events.forget)
    city_keys = CityKeys(Home(folder), keys, registry, confidential, clock)
    city_keys.start()
    enrolment = batches_of(registry, keys, record, clock)
    enrolment.start()
    city = City(
        clock=clock,
        registry=registry.resources,
        catalogue=catalogue,
        history=history,
        write=uplink.write,
        presence=room,
        connections=DocumentDoor(registry.resources),
        provisioning=Provisioning(
            registry.resources, registry.certificates, authority, clock, "localhost", 8883
        ),
        accounts=accounts,
        grants=registry.grants,
        rights=rights.rights,
        entitlements=finding.entitlements,
        record=record,
        ready=lambda: waiting[-1],
        status=lambda: dict(history.counts()),
        future_ms=300_000,
        refresh_rights=rights.refresh,
        processing=build_processing(
            registry,
            catalogue,
            history,
            rights.rights,
            finding.directory,
            clock,
            folder / "objects",
            OBJECTS_QUOTA,
            record,
            people.allowance.spending,
        ),
        pages=PageFolder(folder / "pages"),
        commands=downlink,
        events=events.desk,
        observation=Observation(registry.states, lambda: b"# EOF\n"),
        oidc=applications.desk(accounts, rights.rights),
        assurance=Assurance(
            groups=registry.groups,
            accesses=accesses,
            checkpoints=registry.checkpoints,
            signer=Signer(KEY),
            backup=backup,
            chains=record,
            covered=covered,
            mask=Mask(bytes(32)),
            outage=Outage(clock.now_ms),
            note=record.append,
        ),
        directory=finding.desk,
        people=people.desk(accounts),
        keys=city_keys.desk,
        enrolment=enrolment,
        mashups=workshop(
            registry, catalogue, history, rights.rights, finding.directory, Home(folder), ()
        ),
    )
    try:
        with served(city, events, listen) as base_url:
            house = House(city, base_url, registry, history, lines, uplink, room, waiting, hands)
            yield house
            for client in house.clients:
                client.close()
    finally:
        enrolment.stop()
        city_keys.stop()
        downlink.stop()
        uplink.stop()
        history.close()
        accesses.close()
        covered.close()
        lines.close()
        registry.close()
        assert not failures


def uplink_of(
    history: DuckHistory,
    catalogue: Catalogue,
    failures: list[BaseException],
    publish: Callable[[Commit], None],
) -> Uplink:
    def nothing(messages: Sequence[Message]) -> Any:
        raise AssertionError("nothing comes from the bus")

    return Uplink(
        devices=Silent(),
        roles=Silent(),
        volatile=SilentVolatile(),
        decode=nothing,
        judge=judge_of(catalogue, history).judge,
        history=history,
        publish=publish,
        known=catalogue,
        doorbell=threading.Event(),
        failed=failures.append,
    )


def accounts_of(
    registry: Registry,
    clock: MachineClock,
    rights: RightsFeed,
    issued: AccessTokens,
    people: CityPeople,
) -> Accounts:
    """Accounts whose passwords cost next to nothing."""
    cheap = Passwords(time_cost=1, memory_kib=8, lanes=1)
    return Accounts(
        registry.accounts,
        clock.now_ms,
        lambda: rights.rights.version,
        cheap,
        issued,
        people.factor,
        people.devices,
        people.names,
    )
