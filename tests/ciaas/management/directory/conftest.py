"""A small city over real stores, with everything that a filter can ask for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ciaas.kernel.address import EndpointId
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.model import Attribute, Constraint, EndpointModel, Node, Thing, ValueType
from ciaas.kernel.sample import DTYPES, Frame, Kind, Verdict
from ciaas.management.directory.directory import Directory
from ciaas.management.sets.membership import Membership, SetBook
from ciaas.ports import Feed, Project
from ciaas.storage.history import DuckHistory, open_history
from ciaas.storage.registry import Registry, migrate, open_registry
from security.aaa.extents import SetExtent, SetKind
from security.aaa.levels import Level
from security.aaa.rights import Rights
from security.aaa.subjects import user_subject
from security.ports import Grant, Permit, PermitChanges

NOW = 1_800_000_000_000
FRESH_MS = 60_000
ADMIN, NOBODY, OWNER, READER, PATCHWORK, COLLECTOR = 1, 2, 3, 4, 5, 6
USERS = (ADMIN, NOBODY, OWNER, READER, PATCHWORK, COLLECTOR)


class StoppedClock:
    """It is `NOW`, always."""

    def now_ms(self) -> int:
        return NOW


@dataclass
class Connected:
    """Whose devices are connected, as the test says."""

    inside: set[EndpointId] = field(default_factory=set)

    def present(self) -> set[EndpointId]:
        return self.inside


@dataclass
class Town:
    """The parts below the directory, and the directory."""

    registry: Registry
    catalogue: Catalogue
    history: DuckHistory
    rights: Rights
    connected: Connected
    directory: Directory
    projects: list[Project]
    uuids: list[EndpointId]
    grants: list[Grant] = field(default_factory=list)
    book: SetBook = field(default_factory=SetBook)

    def selection(self, project: int, filter: dict[str, Any]) -> SetExtent:
        """Save a filter in a project; returns what a grant names."""
        number = self.projects[project].id
        author = self.registry.accounts.add_user(f"author {len(filter)}", None, False).id
        saved = self.registry.sets.put_selection(number, "saved", filter, author, None)
        return SetExtent(SetKind.SELECTION, str(number), str(saved.id))

    def permit(self, *permits: Permit) -> None:
        """Let grants on sets, or under conditions, hold from now on."""
        self.book.take_over(self.registry.sets.sets_changed(0))
        self.rights.bind(Membership(self.book, self.directory.index, self.catalogue))
        version = self.rights.version + 1
        self.rights.apply(version, [], [], permits=PermitChanges(version, permits, []))

    def observe(self, address: str, value: Any, **columns: Any) -> None:
        """Record one sample of a point that exists, observed and received now if not said."""
        point = self.catalogue.by_address(address)  # type: ignore[arg-type] # a literal of the test
        assert point is not None, address
        self.history.record(sample(point.id, value, **columns))

    def grant(self, *grants: Grant) -> None:
        """Give grants, on top of those given before."""
        self.grants += grants
        self.rights.apply(self.rights.version + 1, grants, [], {ADMIN})


def sample(point: int, value: Any, **columns: Any) -> Frame:
    """Return a frame of one good row."""
    row: dict[str, Any] = dict.fromkeys(DTYPES, 0) | {"txt": None, "raw": None, "num": np.nan}
    row |= {"point": point, "observed": NOW, "received": NOW, "verdict": Verdict.GOOD}
    match value:
        case bool():
            row |= {"kind": Kind.BOOLEAN, "num": float(value)}
        case float() | int():
            row |= {"kind": Kind.NUMBER, "num": float(value)}
        case str():
            row |= {"kind": Kind.TEXT, "txt": value}
        case None:
            row |= {"kind": Kind.NULL}
    row |= columns
    return Frame(**{name: np.array([row[name]], dtype) for name, dtype in DTYPES.items()})


def lamp(interface: str = "Lamp") -> EndpointModel:
    """A model with a measured power, a switch and a text."""
    measure, switch = Constraint.MEASURE, Constraint.SET_POINT
    thing = Thing(
        "Light",
        {"driver": Thing("Driver", {}, {"state": Attribute(Constraint.STATUS, ValueType.STRING)})},
        {
            "power": Attribute(measure, ValueType.NUMBER),
            "on": Attribute(switch, ValueType.BOOLEAN),
        },
    )
    return EndpointModel(nodes={"Light": Node((interface, "Common"), {"lamp": thing})})


@pytest.fixture(scope="package")
def registry_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ground") / "registry.sqlite"
    migrate(path)
    return path


@pytest.fixture
def town(tmp_path: Path, registry_file: Path) -> Iterator[Town]:
    path = tmp_path / "registry.sqlite"
    path.write_bytes(registry_file.read_bytes())
    clock = StoppedClock()
    with open_registry(path, clock=clock) as registry, open_history(None, clock=clock) as history:
        resources = registry.resources
        projects = [resources.create_project(name) for name in ("city", "water", "parks")]
        catalogue = Catalogue(resources)
        rights, connected = Rights(), Connected()
        directory = Directory.over(
            catalogue,
            history,
            rights,
            connected,
            clock,
            projects=resources.projects,
            read_fresh_ms=FRESH_MS,
        )
        town = Town(registry, catalogue, history, rights, connected, directory, projects, [])
        settle(town)
        yield town


def settle(town: Town) -> None:
    """Put up nine lamps, three in each project, each a little different."""
    resources = town.registry.resources
    for number in range(9):
        endpoint = resources.create_endpoint(
            town.projects[number % 3].id,
            f"Käfer {number}" if number % 2 else f"Lamp {number}",
            {"note": {"maker": f"Maker{number % 4}"}},
        )
        town.uuids.append(endpoint.uuid)
        resources.declare_model(endpoint.uuid, lamp("Lamp" if number % 2 else "Beacon"))
        feed = (Feed.DEVICE, Feed.ADAPTER, Feed.APP)[number % 3]
        resources.change_endpoint(endpoint.uuid, feed=feed)
        overlay: dict[str, Any] = {
            "title": f"Corner {number}",
            "tags": ["street", f"t{number % 4}"],
        }
        if number != 4:
            overlay["place"] = {"lat": 60 + number / 100, "lon": 24 + number / 100}
        resources.change_overlay(endpoint.uuid, overlay)
        resources.change_overlay(
            f"{endpoint.uuid}/Light/lamp/power",
            {"unit": "W" if number % 2 else "kW", "quantity": "power", "tags": ["energy"]},
        )
    resources.change_overlay("class:Driver", {"tags": ["inner"], "maker": "Driver & Sons"})
    town.catalogue.refresh()
    for number, uuid in enumerate(town.uuids):
        town.observe(
            f"{uuid}/Light/lamp/power",
            float(number * 10),
            observed=NOW - number * 100_000,
            received=NOW - number * 100_000,
            verdict=number % 3,
            reason=6 if number == 4 else 0,
        )
        if number % 2:
            town.observe(f"{uuid}/Light/lamp/on", number % 4 == 1)
        if number % 3:
            town.observe(f"{uuid}/Light/lamp/driver/state", ("off", "on", "50")[number % 3])
    town.connected.inside = {town.uuids[0], town.uuids[5], EndpointId("no endpoint of ours")}
    city, water, _ = (str(project.id) for project in town.projects)
    town.grant(
        Grant(OWNER, (city,), Level.OWN),
        Grant(READER, (city,), Level.READ),
        Grant(READER, (water,), Level.DESCRIBE),
        Grant(PATCHWORK, (city,), Level.BROWSE),
        Grant(PATCHWORK, (city, town.uuids[0], "Light", "lamp"), Level.WRITE),
        Grant(PATCHWORK, (city, town.uuids[0], "Light", "lamp", "driver"), Level.DENY),
        Grant(PATCHWORK, (city, town.uuids[3]), Level.READ),
        Grant(PATCHWORK, (water, town.uuids[1], "Light", "lamp", "power"), Level.READ),
        Grant(PATCHWORK, (water, town.uuids[4]), Level.ACCESS),
    )
    town.permit(
        Permit(1, user_subject(COLLECTOR), town.selection(0, {"tag": ["t1"]}), Level.READ),
        Permit(2, user_subject(COLLECTOR), SetExtent(SetKind.CLASS, city, "Driver"), Level.DENY),
        Permit(
            3, user_subject(COLLECTOR), SetExtent(SetKind.CLASS, water, "Light"), Level.DESCRIBE
        ),
        Permit(4, user_subject(COLLECTOR), (city, town.uuids[3]), Level.WRITE, ends=1),
    )
