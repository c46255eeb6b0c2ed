"""Pages: each thing once, in order, whatever comes and goes between two of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ciaas.kernel.address import EndpointId
from ciaas.management.directory.filter import Filter, FilterError
from ciaas.management.directory.listing import page_of_endpoints, page_of_points
from ciaas.management.directory.paging import ORDERS, Cursor
from tests.ciaas.management.directory.conftest import ADMIN, PATCHWORK, Town

NEAR = Filter.parse({"near": "60,24,5000000"})
LIGHTS = Filter.parse({"unit": ["W", "kW"]})


def points(
    town: Town, wanted: Filter, order: str, limit: int, between: Callable[[], None] = lambda: None
) -> list[int]:
    found: list[int] = []
    after = None
    while True:
        page = page_of_points(town.directory, wanted, ADMIN, order, after, limit)
        assert len(page.points) <= limit
        found += page.points.tolist()
        after = page.after
        if after is None:
            return found
        between()


def endpoints(town: Town, wanted: Filter, order: str, limit: int, user: int = ADMIN) -> list[str]:
    found: list[str] = []
    after = None
    while True:
        page = page_of_endpoints(town.directory, wanted, user, order, after, limit)
        found += [endpoint.uuid for endpoint in page.endpoints]
        after = page.after
        if after is None:
            assert page.count == len(found)
            return found


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("limit", [1, 4, 100])
def test_pages_of_any_size_are_the_whole(town: Town, order: str, limit: int) -> None:
    wanted = NEAR if "distance" in order else Filter()
    paged = points(town, wanted, order, limit)
    everything = town.directory.points(wanted, ADMIN).points.tolist()
    assert sorted(paged) == everything
    assert paged == points(town, wanted, order, 1_000)


def test_orders(town: Town) -> None:
    def uuid_of(number: int) -> EndpointId:
        return EndpointId(town.catalogue.point(number).address.partition("/")[0])

    lamps = [town.uuids.index(uuid_of(n)) for n in points(town, LIGHTS, "value", 4)]
    assert lamps == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    # The lamp with the highest number was read the longest ago.
    assert [town.uuids.index(uuid_of(n)) for n in points(town, LIGHTS, "observed", 2)] == lamps[
        ::-1
    ]
    assert points(town, LIGHTS, "-observed", 2) == points(town, LIGHTS, "value", 2)
    by_name = [town.uuids.index(EndpointId(one)) for one in endpoints(town, Filter(), "name", 2)]
    assert by_name == [1, 3, 5, 7, 0, 2, 4, 6, 8], "Käfer stands before Lamp"
    away = [town.uuids.index(EndpointId(one)) for one in endpoints(town, NEAR, "-distance", 2)]
    assert away == [8, 7, 6, 5, 3, 2, 1, 0]


def test_what_has_no_value_comes_last_in_either_direction(town: Town) -> None:
    sensors = Filter.parse({"constraint": ["Measure", "Status"]})
    up, down = points(town, sensors, "value", 5), points(town, sensors, "-value", 5)
    numbers = set(points(town, LIGHTS, "value", 5))
    assert set(up[:9]) == set(down[:9]) == numbers
    assert up[9:] == down[9:], "then by age"


@pytest.mark.parametrize("order", ["name", "-name", "value", "-observed"])
def test_what_does_not_change_comes_once_while_all_else_does(town: Town, order: str) -> None:
    resources = town.registry.resources
    moves = iter(range(100))

    def stir() -> None:
        move = next(moves)
        match move % 3:
            case 0:
                created = resources.create_endpoint(town.projects[0].id, f"A{move}", {})
                resources.change_endpoint(created.uuid, friendly_name=f"Zz {move}")
            case 1:
                resources.delete_endpoint(town.uuids[move // 3], 1)
            case 2:
                resources.change_endpoint(town.uuids[3 + move // 3], friendly_name="Aaa")
        town.catalogue.refresh()

    stirred = points(town, LIGHTS, order, 2, stir)
    assert len(set(stirred)) == len(stirred) or order in ("name", "-name")
    still = {town.uuids[7], town.uuids[8]}
    met = [town.catalogue.point(n).address.partition("/")[0] for n in stirred]
    assert {uuid: met.count(uuid) for uuid in still} == dict.fromkeys(still, 1)


def test_distances_are_told_where_the_place_may_be_seen(town: Town) -> None:
    town.registry.resources.change_overlay(town.uuids[4], {"place": {"lat": 60.1, "lon": 24.1}})
    town.catalogue.refresh()
    page = page_of_endpoints(town.directory, NEAR, ADMIN, "distance", None, 100)
    assert page.distances_m.tolist() == sorted(page.distances_m.tolist())
    assert page.distances_m[0] == 0
    seen = page_of_endpoints(town.directory, NEAR, PATCHWORK, "distance", None, 100)
    known = {endpoint.uuid for endpoint in seen.endpoints}
    assert town.uuids[4] not in known, "its place is not to be seen, so nobody finds it by that"
    assert town.uuids[0] in known


def test_an_unusable_order_or_cursor_is_refused(town: Town) -> None:
    def ask(order: str, after: str | None, wanted: Filter = LIGHTS) -> None:
        page_of_points(town.directory, wanted, ADMIN, order, after, 2)

    with pytest.raises(FilterError, match="needs near"):
        ask("distance", None)
    with pytest.raises(FilterError, match="endpoints have no value"):
        page_of_endpoints(town.directory, LIGHTS, ADMIN, "-value", None, 2)
    for junk in ("x", "", "AAAA", "ÿ", Cursor("name", 4.0, 1).written()):
        with pytest.raises(FilterError, match="after"):
            ask("name", junk)
    given = page_of_points(town.directory, LIGHTS, ADMIN, "value", None, 2).after
    assert given is not None
    with pytest.raises(FilterError, match="keep sort=value"):
        ask("-value", given)
