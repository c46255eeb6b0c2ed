import threading
from collections.abc import Sequence

import numpy as np
import pytest

from ciaas.kernel.address import PointAddress
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.model import Attribute, Constraint, EndpointModel, Node, Thing, ValueType
from ciaas.kernel.sample import Kind
from ciaas.kernel.wire import long_form, subject_of
from ciaas.limits import POINTS_PER_ENDPOINT_MAX
from ciaas.ports import Conflict, Missing, NewPoint, Point
from tests.ciaas.kernel.city import DEVICE, OTHER, STRANGER, City


def node(**types: ValueType) -> Node:
    attributes = {name: Attribute(Constraint.MEASURE, kind) for name, kind in types.items()}
    return Node((), {"o": Thing("Meter", {}, attributes)})


def new_point(address: str, value_type: ValueType = ValueType.NUMBER) -> NewPoint:
    return NewPoint(PointAddress(address), Constraint.MEASURE, value_type)


class Ear:
    def __init__(self) -> None:
        self.heard: list[list[str]] = []

    def __call__(self, points: Sequence[Point]) -> None:
        self.heard.append(sorted(point.address.rpartition("/")[2] for point in points))


def test_points_are_found_by_subject_address_and_id(city: City) -> None:
    point = city.point("Lamp12/light/power")
    assert point is not None
    assert city.catalogue.by_subject(subject_of(point.address)) == point.id
    assert city.catalogue.point(point.id) is point
    assert city.catalogue.by_subject(b"nothing") is None
    with pytest.raises(Missing):
        city.catalogue.point(999_999)


def test_a_dot_in_a_name_is_no_level(city: City) -> None:
    city.catalogue.declare_node(DEVICE, "a.b", node(**{"c.d": ValueType.NUMBER}))
    point = city.point("a.b/o/c.d")
    assert point is not None
    assert city.catalogue.by_subject(f"{DEVICE}.a//b.o.c//d".encode()) == point.id


def test_the_long_form_is_found_once_it_was_used(city: City) -> None:
    point = city.point("Lamp12/light/power")
    assert point is not None
    long = subject_of(long_form(point.address))
    assert city.catalogue.by_subject(long) is None
    city.catalogue.remember_long_form(point)
    assert city.catalogue.by_subject(long) == point.id
    city.catalogue.remove_node(DEVICE, "Lamp12")
    assert city.catalogue.by_subject(long) is None


def test_types_are_kinds_by_point_id(city: City) -> None:
    expected = {
        "power": Kind.NUMBER, "on": Kind.BOOLEAN, "starts": Kind.INTEGER, "state": Kind.TEXT
    }  # fmt: skip
    for name, kind in expected.items():
        point = city.point(f"Lamp12/light/{name}")
        assert point is not None
        assert city.catalogue.types[point.id] == kind


def test_arrays_grow_with_the_points(city: City) -> None:
    before = len(city.catalogue.types)
    city.catalogue.declare_node(
        DEVICE, "n", node(**{f"a{i}": ValueType.STRING for i in range(before)})
    )
    points = np.array([point.id for point in city.catalogue.under((DEVICE, "n"))], np.uint32)
    assert len(points) == before
    assert (city.catalogue.types[points] == Kind.TEXT).all()
    assert city.catalogue.knows(points).all()
    assert not city.catalogue.knows(np.array([0, 2**32 - 1], np.uint32)).any()
    assert len(set(city.catalogue.sources_of(points).tolist())) == 1


def test_under_a_prefix_points_come_in_order(city: City) -> None:
    city.catalogue.declare_node(DEVICE, "Lamp1", node(b=ValueType.NUMBER, a=ValueType.NUMBER))
    city.catalogue.declare_node(OTHER, "n", node(z=ValueType.NUMBER))
    names = [city.name(point.id) for point in city.catalogue.under((DEVICE, "Lamp1"))]
    assert names == ["Lamp1/o/a", "Lamp1/o/b"]
    everything = [point.address for point in city.catalogue.under(())]
    assert everything == sorted(everything)
    assert len(everything) == 9
    address = f"{OTHER}/n/o/z"
    assert [point.address for point in city.catalogue.under(address.split("/"))] == [address]
    assert city.catalogue.under((STRANGER,)) == []


def test_a_removed_point_is_found_by_id_alone_until_it_is_learned_again(city: City) -> None:
    point = city.point("Lamp12/light/power")
    assert point is not None
    city.catalogue.remove_node(DEVICE, "Lamp12")
    assert city.point("Lamp12/light/power") is None
    assert city.catalogue.by_subject(subject_of(point.address)) is None
    assert city.catalogue.under((DEVICE,)) == []
    assert city.catalogue.point(point.id).removed
    city.catalogue.learn([new_point(point.address)])
    again = city.point("Lamp12/light/power")
    assert again is not None
    assert again.id == point.id
    assert not again.removed


def test_changes_of_others_arrive_by_refresh(city: City) -> None:
    assert not city.catalogue.refresh()
    made = city.registry.create_endpoint(city.project, "new", {})
    assert city.catalogue.endpoint(made.uuid) is None
    assert city.catalogue.refresh()
    assert city.catalogue.endpoint(made.uuid) is not None
    assert [e.friendly_name for e in city.catalogue.endpoints()] == ["lamp", "other", "new"]
    assert city.catalogue.deleted(DEVICE) is None
    city.registry.delete_endpoint(DEVICE, city.now)
    city.catalogue.refresh()
    assert city.catalogue.endpoint(DEVICE) is None
    assert city.catalogue.under((DEVICE,)) == []
    gone = city.catalogue.deleted(DEVICE)
    assert gone is not None and (gone.project, gone.model) == (city.project, None)


def test_the_same_declaration_again_writes_nothing(city: City) -> None:
    model = city.catalogue.endpoint(DEVICE)
    assert model is not None
    assert model.model is not None
    before = city.registry.version()
    city.catalogue.declare(DEVICE, model.model)
    city.catalogue.declare_node(DEVICE, "Lamp12", model.model.nodes["Lamp12"])
    assert city.registry.version() == before
    city.catalogue.declare(DEVICE, EndpointModel())
    assert city.registry.version() == before + 1


def test_declaring_for_an_unknown_endpoint_is_missing(city: City) -> None:
    with pytest.raises(Missing):
        city.catalogue.declare(STRANGER, EndpointModel())
    with pytest.raises(Missing):
        city.catalogue.remove_node(STRANGER, "n")


def test_listeners_hear_of_points_once(city: City) -> None:
    ear = Ear()
    city.catalogue.on_points(ear)
    assert ear.heard.pop() == ["level", "on", "power", "serial", "starts", "state"]
    city.catalogue.declare_node(DEVICE, "n", node(a=ValueType.NUMBER))
    city.catalogue.refresh()
    assert ear.heard == [["a"]]
    city.catalogue.remove_node(DEVICE, "n")
    assert ear.heard == [["a"], ["a"]]


def test_listeners_hear_of_overlays_by_scope(city: City) -> None:
    city.catalogue.declare_node(OTHER, "n", node(a=ValueType.NUMBER))
    ear = Ear()
    city.catalogue.on_points(ear)
    ear.heard.clear()
    for scope, unit in [
        ("class:Meter", "W"),
        (DEVICE, "kW"),
        (f"{DEVICE}/Lamp12/light/power", "MW"),
    ]:
        city.registry.change_overlay(scope, {"unit": unit})
        city.catalogue.refresh()
    lamp = ["level", "on", "power", "serial", "starts", "state"]
    assert ear.heard == [["a"], lamp, ["power"]]


def test_the_more_specific_overlay_wins_key_by_key(city: City) -> None:
    point = city.point("Lamp12/light/power")
    assert point is not None
    assert city.catalogue.overlay(point.id) == {}
    scopes = ["class:Dimmer", DEVICE, f"{DEVICE}/Lamp12", f"{DEVICE}/Lamp12/light", point.address]
    for depth, scope in enumerate(scopes):
        city.registry.change_overlay(scope, {"title": scope, f"key{depth}": depth})
        city.catalogue.refresh()
        assert city.catalogue.overlay(point.id)["title"] == scope
    assert city.catalogue.overlay(point.id) == {
        "title": point.address, "key0": 0, "key1": 1, "key2": 2, "key3": 3, "key4": 4
    }  # fmt: skip
    city.registry.change_overlay(point.address, {"title": None, "key4": None})
    city.catalogue.refresh()
    assert city.catalogue.overlay(point.id)["title"] == f"{DEVICE}/Lamp12/light"


def test_an_endpoint_learns_no_more_than_points_per_endpoint_max(city: City) -> None:
    attributes = {f"a{number}": ValueType.NUMBER for number in range(POINTS_PER_ENDPOINT_MAX - 1)}
    city.catalogue.declare_node(OTHER, "n", node(**attributes))
    city.catalogue.learn([new_point(f"{OTHER}/n/o/x"), new_point(f"{OTHER}/n/o/y")])
    assert city.point("n/o/x", OTHER) is not None
    assert city.point("n/o/y", OTHER) is None
    city.catalogue.learn([new_point(f"{OTHER}/n/o/z"), new_point(f"{DEVICE}/n/o/z")])
    assert city.point("n/o/z", OTHER) is None
    assert city.point("n/o/z") is not None


def test_a_removed_point_needs_no_new_room(city: City) -> None:
    attributes = {f"a{number}": ValueType.NUMBER for number in range(POINTS_PER_ENDPOINT_MAX)}
    city.catalogue.declare_node(OTHER, "n", node(**attributes))
    city.catalogue.remove_node(OTHER, "n")
    city.catalogue.learn([new_point(f"{OTHER}/n/o/a7"), new_point(f"{OTHER}/n/o/b")])
    assert city.point("n/o/a7", OTHER) is not None
    assert city.point("n/o/b", OTHER) is None
    with pytest.raises(Conflict):
        city.catalogue.declare_node(OTHER, "m", node(a=ValueType.NUMBER))


def test_points_of_a_vanished_endpoint_are_not_learned(city: City) -> None:
    city.registry.delete_endpoint(OTHER, city.now)
    city.catalogue.learn([new_point(f"{OTHER}/n/o/a"), new_point(f"{DEVICE}/n/o/a")])
    assert city.point("n/o/a", OTHER) is None
    assert city.point("n/o/a") is not None


def test_sources_are_numbers_of_the_endpoint(city: City) -> None:
    city.catalogue.learn([new_point(f"{OTHER}/n/o/a")])
    mine, its = city.point("Lamp12/light/power"), city.point("n/o/a", OTHER)
    assert mine is not None
    assert its is not None
    sources = city.catalogue.sources_of(np.array([mine.id, its.id, mine.id], np.uint32))
    assert sources.tolist() == [
        city.registry.source(f"mqtt:{DEVICE}"),
        city.registry.source(f"mqtt:{OTHER}"),
        city.registry.source(f"mqtt:{DEVICE}"),
    ]


def test_reading_while_others_change(city: City) -> None:
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.wait(0.0002):  # lets the writer have the interpreter
                for point in city.catalogue.under((DEVICE,)):
                    assert city.catalogue.types[point.id]
                    assert city.catalogue.point(point.id).address == point.address
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for turn in range(10):
            city.catalogue.declare_node(DEVICE, f"n{turn}", node(a=ValueType.NUMBER))
            city.catalogue.remove_node(DEVICE, f"n{turn // 2}")
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert failures == []


def test_a_second_catalogue_sees_the_same(city: City) -> None:
    city.catalogue.remove_node(DEVICE, "Lamp12")
    city.catalogue.declare_node(DEVICE, "n", node(a=ValueType.NUMBER))
    fresh = Catalogue(city.registry)
    assert fresh.under(()) == city.catalogue.under(())
    assert fresh.endpoints() == city.catalogue.endpoints()


def test_what_the_registry_refuses_to_keep_is_left_out(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model gets too large for the registry before there are too many points."""
    monkeypatch.setattr("ciaas.storage.registry.model.MODEL_BYTES_MAX", 20_000)
    city.catalogue.learn([new_point(f"{OTHER}/n/o/a{number:04d}") for number in range(1_000)])
    names = [city.name(point.id) for point in city.catalogue.under((OTHER,))]
    assert names == [f"n/o/a{number:04d}" for number in range(len(names))]
    assert 100 < len(names) < 1_000
    city.catalogue.learn([new_point(f"{OTHER}/n/o/more"), new_point(f"{DEVICE}/n/o/more")])
    assert city.point("n/o/more", OTHER) is None
    assert city.point("n/o/more") is not None
