"""The HTTP API over real stores: registry on SQLite, history on DuckDB, record on disk."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from borough.clock import MachineClock
from borough.roles.core import judge_of
from borough.roles.documents import DocumentDoor
from borough.roles.http import serving
from borough.roles.rights_feed import RightsFeed, enrol_local
from borough.settings import Listen
from ciaas.kernel.address import EndpointId
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.uplink import Uplink
from ciaas.management.provisioning import Provisioning
from ciaas.ports import Batch, Message
from ciaas.storage.history import DuckHistory, open_history
from ciaas.storage.record import RecordFile
from ciaas.storage.registry import Registry, migrate, open_registry
from cpaas.access.app import create_app
from cpaas.access.city import City
from security.aaa.accounts import Accounts
from security.aaa.passwords import Passwords
from security.encryption.authority import Authority

SECRET = "bor_" + "a" * 43
API = "/api/v1"


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

    def disconnect(self, uuid: EndpointId) -> None:
        self.sent_away.append(uuid)


@dataclass
class House:
    """Everything behind the API, and clients of it."""

    city: City
    base_url: str
    clients: list[httpx.Client]
    registry: Registry
    history: DuckHistory
    record: RecordFile
    accounts: Accounts
    room: Room
    waiting: list[str | None]
    """What ``ready`` answers: the last entry."""

    def client(self, token: str | None = SECRET) -> httpx.Client:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.clients.append(httpx.Client(base_url=self.base_url, headers=headers))
        return self.clients[-1]

    def user(self, name: str, **grants: str) -> httpx.Client:
        """Return a client of a new user without a password; grants are ``level=prefix``."""
        user = self.accounts.add_user(name, None)
        admin = self.client()
        for level, prefix in grants.items():
            body = {"user": name, "prefix": prefix, "level": level}
            assert admin.put("/grants", json=body).status_code == 204
        scopes: Any = ("read", "write", "configure", "grant")
        return self.client(self.accounts.issue_token(user.id, "test", scopes, None).text)

    def endpoint(self, name: str = "Lamp 12", **query: str) -> str:
        made = self.client().post("/endpoints", params={"friendlyName": name, **query})
        assert made.status_code == 201, made.text
        uuid: str = made.json()["uuid"]
        return uuid

    def observe(self, *samples: tuple[str, Any, float | None]) -> httpx.Response:
        observations = [{"address": a, "value": v, "timestamp": t} for a, v, t in samples]
        return self.client().post("/observations", json={"observations": observations})


@contextmanager
def served(city: City) -> Iterator[str]:
    """Serve the application over real HTTP from a thread; gives the base address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        listen = Listen("127.0.0.1", probe.getsockname()[1])
    ended = asyncio.Event()
    loop = asyncio.new_event_loop()
    up = threading.Event()

    async def serve() -> None:
        async with serving(create_app(city), listen):
            up.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert up.wait(10)
    try:
        yield f"http://{listen}{API}"
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One for all tests: making its key takes most of a second."""
    folder = tmp_path_factory.mktemp("authority")
    return Authority.create(folder, b"passphrase", MachineClock().now_ms)


@pytest.fixture
def house(tmp_path: Path, authority: Authority) -> Iterator[House]:
    clock = MachineClock()
    migrate(tmp_path / "registry.sqlite")
    registry = open_registry(tmp_path / "registry.sqlite", clock=clock)
    history = open_history(":memory:", clock=clock)
    record = RecordFile(tmp_path / "audit", clock.now_ms)
    resources = registry.resources
    resources.create_project("city")
    enrol_local(registry, SECRET)
    catalogue = Catalogue(resources)
    rights = RightsFeed(registry)
    registry.on_change(lambda version: (catalogue.refresh(), rights.refresh(), None)[-1])
    failures: list[BaseException] = []
    uplink = Uplink(
        devices=Silent(),
        roles=Silent(),
        volatile=SilentVolatile(),
        decode=lambda messages: (_ for _ in ()).throw(AssertionError("nothing comes")),
        judge=judge_of(catalogue, history).judge,
        history=history,
        publish=lambda commit: None,
        known=catalogue,
        doorbell=threading.Event(),
        failed=failures.append,
    )
    uplink.start()
    room = Room()
    waiting: list[str | None] = [None]
    passwords = Passwords()
    accounts = Accounts(registry.accounts, clock.now_ms, registry.version, passwords)
    city = City(
        clock=clock,
        registry=resources,
        catalogue=catalogue,
        history=history,
        write=uplink.write,
        presence=room,
        connections=DocumentDoor(resources),
        provisioning=Provisioning(
            resources,
            registry.certificates,
            authority,
            clock,
            "localhost",
            8883,
        ),
        accounts=accounts,
        grants=registry.grants,
        rights=rights.rights,
        record=record,
        ready=lambda: waiting[-1],
        status=lambda: dict(history.counts()),
        future_ms=300_000,
        refresh_rights=rights.refresh,
    )
    try:
        with served(city) as base_url:
            clients: list[httpx.Client] = []
            yield House(city, base_url, clients, registry, history, record, accounts, room, waiting)
            for client in clients:
                client.close()
    finally:
        uplink.stop()
        history.close()
        record.close()
        registry.close()
        assert not failures
