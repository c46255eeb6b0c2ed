"""What every backend keeps between threads and processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ciaas.kernel.address import PointAddress
from ciaas.kernel.model import Attribute, Constraint, EndpointModel, Node, Thing, ValueType
from ciaas.ports import Endpoint, NewPoint, Point, RegistryError
from ciaas.storage.registry import Registry
from security.ports import ProvisionEntry


def node(*names: str) -> Node:
    number = Attribute(Constraint.MEASURE, ValueType.NUMBER)
    return Node((), {"meter": Thing("Meter", attributes=dict.fromkeys(names, number))})


def new_point(endpoint: Endpoint, path: str) -> NewPoint:
    address = PointAddress(f"{endpoint.uuid}/{path}")
    return NewPoint(address, Constraint.MEASURE, ValueType.NUMBER)


def test_threads_change_at_once_without_losing_a_change(
    registry: Registry, endpoint: Endpoint
) -> None:
    announced: list[int] = []
    registry.on_change(announced.append)
    start, begin = registry.version(), threading.Barrier(3)

    def write(thread: int) -> None:
        begin.wait()
        for number in range(20):
            registry.resources.ensure_points(
                [
                    new_point(endpoint, f"n/o/a{number}"),
                    new_point(endpoint, f"n/t{thread}/a{number}"),
                ]
            )
            registry.resources.change_overlay("class:Meter", {f"{thread}-{number}": 1})

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))
    assert len(registry.resources.points((endpoint.uuid,))) == 80
    assert sorted(point.id for point in registry.resources.points(())) == list(range(1, 81))
    assert len(registry.resources.overlay("class:Meter")) == 60
    assert sorted(announced) == list(range(start + 1, start + 121))


def test_two_that_have_it_open_for_changes_wait_for_each_other(
    backend: Callable[[bool], Registry], registry: Registry, endpoint: Endpoint
) -> None:
    start, begin = registry.version(), threading.Barrier(2)

    def write(store: Registry, name: str) -> None:
        begin.wait()
        for number in range(40):
            store.resources.ensure_points([new_point(endpoint, f"{name}/o/a{number}")])

    with backend(False) as other, ThreadPoolExecutor(2) as pool:
        list(pool.map(write, (registry, other), "nm"))
    assert registry.version() == start + 80
    assert len(registry.resources.points((endpoint.uuid,))) == 80


def test_two_threads_take_a_provision_token_once(registry: Registry, endpoint: Endpoint) -> None:
    for round_ in range(20):
        registry.certificates.put_provision(ProvisionEntry(f"{round_}", endpoint.uuid, 9, {}))
        with ThreadPoolExecutor(2) as pool:
            taken = list(
                pool.map(
                    lambda _, d=f"{round_}": registry.certificates.take_provision(d, 0), range(2)
                )
            )
        assert sum(entry is not None for entry in taken) == 1


def test_a_reader_sees_a_change_at_once_and_may_not_make_one(
    backend: Callable[[bool], Registry], registry: Registry
) -> None:
    with backend(True) as reader:
        project = registry.resources.create_project("a")
        assert reader.resources.projects() == [project]
        assert reader.version() == registry.version()
        with pytest.raises(RegistryError, match="reading only: ask the core role"):
            reader.resources.create_project("b")


FOLLOWER = """
import sys
from pathlib import Path
from ciaas.kernel.model import EndpointModel
from ciaas.storage.registry import open_registry
from ciaas.storage.registry.model import flatten

last = int(sys.argv[2])
points, endpoints, version, looks = {}, {}, 0, 0
with open_registry(Path(sys.argv[1]), True) as registry:
    while version < last:
        changes = registry.resources.changes(version)
        version, looks = changes.version, looks + 1
        endpoints |= {endpoint.uuid: endpoint for endpoint in changes.endpoints}
        points |= {point.id: point for point in changes.points}
        for uuid, endpoint in endpoints.items():
            model = endpoint.model or EndpointModel()
            declared = {new.address for new in flatten(uuid, model)}
            present = {point.address for point in points.values() if not point.removed}
            assert declared == present, "a change was seen in halves"
        if looks == 1:
            print("following", flush=True)
print(version, len(endpoints), len(points), sum(point.removed for point in points.values()))
"""


def test_a_second_process_follows_whole_changes_while_this_one_writes(
    registry: Registry, endpoint: Endpoint, tmp_path: Path
) -> None:
    rounds = 150
    last = registry.version() + rounds
    with subprocess.Popen(
        [sys.executable, "-c", FOLLOWER, str(tmp_path / "registry.db"), str(last)],
        stdout=subprocess.PIPE,
        text=True,
    ) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == "following\n"
        for number in range(rounds):
            names = [f"a{number + offset}" for offset in range(10)]
            registry.resources.declare_model(
                endpoint.uuid, EndpointModel(nodes={"n": node(*names)})
            )
        told = follower.stdout.read()
    assert follower.returncode == 0
    assert told.split() == [str(last), "1", str(rounds + 9), str(rounds - 1)]


def test_a_change_outlives_the_process_that_made_it(backend: Callable[[bool], Registry]) -> None:
    with backend(False) as first:
        project = first.resources.create_project("a")
        made = first.resources.create_endpoint(project.id, "x", {"k": "v"})
        points: list[Point] = list(first.resources.declare_node(made.uuid, "n", node("a")))
        version = first.version()
    with backend(False) as second:
        assert second.version() == version
        assert second.resources.points((made.uuid,)) == points
        assert second.resources.endpoint(made.uuid).metadata == {"k": "v"}
