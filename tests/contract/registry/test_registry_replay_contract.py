"""Whatever is done to a registry, following its changes step by step gives the whole picture."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.model import Attribute, Constraint, EndpointModel, Node, Thing, ValueType
from ciaas.ports import Conflict, Connection, Endpoint, Feed, Missing, NewPoint, Point
from ciaas.storage.registry import Registry
from ciaas.storage.registry.model import flatten
from security.aaa.levels import Level
from security.ports import Grant

UUIDS = [EndpointId(f"0000000{n}-0000-4000-8000-000000000000") for n in (1, 2)]

uuids = st.sampled_from(UUIDS)
names = st.sampled_from(["a", "b", "b0"])
documents = st.dictionaries(
    names, st.one_of(st.none(), st.integers(0, 1), st.booleans()), max_size=2
)
attributes = st.builds(
    Attribute,
    st.sampled_from([Constraint.STATIC, Constraint.MEASURE]),
    st.sampled_from([ValueType.NUMBER, ValueType.STRING]),
    st.one_of(st.none(), st.floats(0, 9)),
    st.one_of(st.none(), st.integers(0, 2)),
)
things = st.recursive(
    st.builds(Thing, st.one_of(st.none(), names), st.just({}), st.dictionaries(names, attributes)),
    lambda inner: st.builds(
        Thing,
        st.none(),
        st.dictionaries(names, inner, max_size=2),
        st.dictionaries(names, attributes),
    ),
    max_leaves=2,
)
nodes = st.builds(Node, st.just(()), st.dictionaries(names, things, max_size=2))
models = st.builds(
    EndpointModel, st.just("v0.2"), st.just(2), st.just(("JSON",)), st.dictionaries(names, nodes)
)


@st.composite
def new_points(draw: st.DrawFn) -> list[NewPoint]:
    return [
        NewPoint(
            PointAddress("/".join([draw(uuids), *draw(st.lists(names, min_size=3, max_size=4))])),
            Constraint.STATUS,
            draw(st.sampled_from([ValueType.NUMBER, ValueType.BOOLEAN])),
            draw(st.one_of(st.none(), names)),
        )
        for _ in range(draw(st.integers(0, 4)))
    ]


Step = Callable[[Registry], object]


def call(method: str, *arguments: Any, **named: Any) -> Step:
    return lambda registry: getattr(registry.resources, method)(*arguments, **named)


steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(lambda u: call("create_endpoint", 1, "x", {}, u), uuids),
    st.builds(lambda u, d: call("change_endpoint", u, metadata=d), uuids, documents),
    st.builds(
        lambda u, b: call("change_endpoint", u, banned=b, feed=Feed.APP), uuids, st.booleans()
    ),
    st.builds(lambda u, m: call("declare_model", u, m), uuids, models),
    st.builds(lambda u, k, n: call("declare_node", u, k, n), uuids, names, nodes),
    st.builds(lambda u, k: call("remove_node", u, k), uuids, names),
    st.builds(lambda p: call("ensure_points", p), new_points()),
    st.builds(lambda u: call("delete_endpoint", u, 1), uuids),
    st.builds(
        lambda s, d: call("change_overlay", s, d),
        st.sampled_from(["class:a", UUIDS[0], f"{UUIDS[0]}/a"]),
        documents,
    ),
    st.builds(
        lambda n, d, e: call("put_connection", n, 1, "modbus", d, e),
        names,
        documents,
        st.booleans(),
    ),
    st.builds(lambda n: call("delete_connection", n), names),
    st.builds(
        lambda path, level: lambda registry: registry.grants.put_grant(Grant(1, path, level)),
        st.sampled_from([(), ("1",), ("1", "b")]),
        st.sampled_from([Level.READ, Level.OWN]),
    ),
    st.builds(
        lambda path: lambda registry: registry.grants.remove_grant(1, path),
        st.sampled_from([(), ("1",), ("1", "b")]),
    ),
)


@dataclass
class Follower:
    """What another process holds: everything, kept up to date by changes alone."""

    version: int = 0
    grants_version: int = 0
    endpoints: dict[EndpointId, Endpoint] = field(default_factory=dict)
    points: dict[int, Point] = field(default_factory=dict)
    overlays: dict[str, Any] = field(default_factory=dict)
    connections: dict[str, Connection] = field(default_factory=dict)
    grants: dict[tuple[str, ...], Level] = field(default_factory=dict)

    def catch_up(self, registry: Registry) -> None:
        changes = registry.resources.changes(self.version)
        self.version = changes.version
        self.endpoints |= {changed.uuid: changed for changed in changes.endpoints}
        self.points |= {changed.id: changed for changed in changes.points}
        self.overlays |= changes.overlays
        self.connections |= {changed.name: changed for changed in changes.connections}
        self.grants_version, put, removed = registry.grants.grants_changed(self.grants_version)
        self.grants |= {grant.path: grant.level for grant in put}
        for grant in removed:
            self.grants.pop(grant.path, None)


def agrees_with_the_lists(follower: Follower, registry: Registry) -> None:
    resources = registry.resources
    alive = [kept for kept in follower.endpoints.values() if kept.deleted_at is None]
    assert sorted(alive, key=lambda kept: kept.uuid) == sorted(
        resources.endpoints(), key=lambda listed: listed.uuid
    )
    listed = {point.id: point for point in resources.points(())}
    assert follower.points == listed
    assert len({point.address for point in listed.values()}) == len(listed)
    assert {scope: resources.overlay(scope) for scope in follower.overlays} == follower.overlays
    assert [
        follower.connections[name]
        for name in sorted(follower.connections)
        if not follower.connections[name].deleted
    ] == resources.connections()
    assert {grant.path: grant.level for grant in registry.grants.grants()} == follower.grants


def points_are_what_models_declare(follower: Follower) -> None:
    declared = {
        (new.address, new.constraint, new.type, new.conforms)
        for kept in follower.endpoints.values()
        if kept.model is not None and kept.deleted_at is None
        for new in flatten(kept.uuid, kept.model)
    }
    assert declared == {
        (point.address, point.constraint, point.type, point.conforms)
        for point in follower.points.values()
        if not point.removed
    }


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=st.lists(st.tuples(steps, st.booleans()), min_size=5, max_size=25))
def test_following_step_by_step_gives_what_a_full_load_gives(
    place: Callable[[Path], Callable[[bool], Registry]], history: list[tuple[Step, bool]]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        opened = place(Path(directory))
        with opened(False) as registry, opened(True) as seen:
            registry.resources.create_project("quarter")
            registry.accounts.add_user("ada", None, False)
            for uuid in UUIDS:
                registry.resources.create_endpoint(1, "x", {}, uuid)
            follower = Follower()
            ids: dict[PointAddress, int] = {}
            for step, look in history:
                version = registry.version()
                try:
                    step(registry)
                except (Missing, Conflict):
                    assert registry.version() == version
                assert registry.version() - version in (0, 1)
                if look:
                    follower.catch_up(seen)
                    points_are_what_models_declare(follower)
                    ids |= {point.address: point.id for point in follower.points.values()}
            follower.catch_up(seen)
            whole = Follower()
            whole.catch_up(registry)
            assert follower == whole
            agrees_with_the_lists(follower, registry)
            assert ids.items() <= {p.address: p.id for p in follower.points.values()}.items()
