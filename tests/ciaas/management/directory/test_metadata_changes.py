"""The stream of changes: who follows it page by page has the picture that there is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ciaas.kernel.model import EndpointModel
from ciaas.management.directory import changes as module
from ciaas.management.directory.changes import Change, ChangeFeed
from ciaas.management.directory.filter import FilterError
from security.aaa.levels import Level
from security.ports import Grant
from tests.ciaas.management.directory.conftest import (
    ADMIN,
    NOBODY,
    NOW,
    OWNER,
    PATCHWORK,
    READER,
    Town,
    lamp,
)


@pytest.fixture
def feed(town: Town) -> ChangeFeed:
    return ChangeFeed(town.registry.journal, town.catalogue, town.directory, town.rights)


def followed(feed: ChangeFeed, user: int, after: str, limit: int) -> Iterator[Change | str]:
    """Yield each change behind a position, and the position at the end."""
    while True:
        page = feed.page(user, after, limit)
        assert len(page.changes) <= limit
        yield from page.changes
        after = page.after
        if not page.more:
            yield after
            return


def picture(feed: ChangeFeed, user: int, limit: int = 7) -> dict[tuple[str, str], Any]:
    *found, _ = followed(feed, user, "0", limit)
    return {(one.kind, one.address): one.value for one in found if isinstance(one, Change)}


@pytest.mark.parametrize("limit", [1, 10, 1_000])
def test_all_of_it_once(town: Town, feed: ChangeFeed, limit: int) -> None:
    *found, end = followed(feed, ADMIN, "0", limit)
    assert end == str(town.registry.version())
    kinds = [one.kind for one in found if isinstance(one, Change)]
    assert (kinds.count("endpoint"), kinds.count("point"), kinds.count("overlay")) == (9, 27, 19)
    versions = [one.version for one in found if isinstance(one, Change)]
    assert versions == sorted(versions)
    assert [*followed(feed, ADMIN, str(end), limit)] == [end]


def test_what_became_of_each(town: Town, feed: ChangeFeed) -> None:
    *_, begun = followed(feed, ADMIN, "0", 1_000)
    resources = town.registry.resources
    new = resources.create_endpoint(town.projects[0].id, "New", {"a": "b"})
    resources.declare_model(new.uuid, lamp())
    resources.change_endpoint(town.uuids[1], friendly_name="Renamed")
    resources.change_overlay(town.uuids[1], {"title": None, "tags": None, "place": None})
    resources.change_overlay("class:Driver", {"maker": "Else"})
    resources.delete_endpoint(town.uuids[2], NOW)
    town.catalogue.declare(town.uuids[3], EndpointModel())
    *found, _ = followed(feed, ADMIN, str(begun), 1_000)
    told = {(one.kind, one.address): one for one in found if isinstance(one, Change)}
    assert len(told) == len(found)
    created = told["endpoint", new.uuid]
    assert (created.change, created.value) == (
        "created",
        {"friendlyName": "New", "banned": False, "feed": None, "metaData": {"a": "b"}},
    )
    point = told["point", f"{new.uuid}/Light/lamp/power"]
    assert (point.change, point.value) == (
        "created",
        {"constraint": "Measure", "type": "Number", "class": "Light"},
    )
    assert told["endpoint", town.uuids[1]].change == "changed"
    assert told["overlay", town.uuids[1]].change == "deleted"
    overlay = told["overlay", "class:Driver"]
    assert (overlay.change, overlay.value) == ("changed", {"tags": ["inner"], "maker": "Else"})
    assert told["endpoint", town.uuids[2]].change == "deleted"
    assert told["endpoint", town.uuids[2]].value is None
    assert told["point", f"{town.uuids[2]}/Light/lamp/on"].change == "deleted"
    assert told["point", f"{town.uuids[3]}/Light/lamp/on"].change == "deleted"
    assert told["endpoint", town.uuids[3]].change == "changed"


def test_what_came_to_be_and_changed_since_is_new_to_who_was_away(
    town: Town, feed: ChangeFeed
) -> None:
    *_, begun = followed(feed, ADMIN, "0", 1_000)
    new = town.registry.resources.create_endpoint(town.projects[0].id, "New", {})
    middle = town.registry.version()
    town.registry.resources.change_endpoint(new.uuid, friendly_name="Newer")
    town.catalogue.refresh()
    [away] = feed.page(ADMIN, str(begun), 10).changes
    [present] = feed.page(ADMIN, str(middle), 10).changes
    assert (away.change, present.change) == ("created", "changed")


def test_nobody_is_told_of_what_is_of_others(town: Town, feed: ChangeFeed) -> None:
    assert picture(feed, NOBODY) == {}
    for user in (OWNER, READER, PATCHWORK):
        for (kind, address), value in picture(feed, user).items():
            if address.startswith("class:"):
                continue
            uuid, *levels = address.split("/")
            endpoint = town.catalogue.endpoint(uuid)  # type: ignore[arg-type] # a UUID of ours
            assert endpoint is not None
            path = (str(endpoint.project), uuid, *levels)
            if kind == "endpoint":
                assert town.rights.under(user, path, Level.ACCESS)
                described = town.rights.level(user, path) >= Level.DESCRIBE
                assert ("metaData" in value) == described
            else:
                need = Level.DESCRIBE if kind == "overlay" else Level.BROWSE
                assert town.rights.level(user, path) >= need
    assert len([key for key in picture(feed, OWNER) if key[0] == "point"]) == 9


def test_what_is_said_of_a_class_is_told_to_who_reads_one_of_it(
    town: Town, feed: ChangeFeed
) -> None:
    assert ("overlay", "class:Driver") in picture(feed, READER)
    assert ("overlay", "class:Driver") in picture(feed, PATCHWORK)
    town.grant(
        Grant(NOBODY, (str(town.projects[0].id), town.uuids[0], "Light", "lamp", "on"), Level.READ)
    )
    assert ("overlay", "class:Driver") not in picture(feed, NOBODY)


def test_a_page_ends_after_so_many_changes_of_others(
    town: Town, feed: ChangeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHANGES_STEP", 5)
    monkeypatch.setattr(module, "CHANGES_SCANNED_MAX", 10)
    page = feed.page(NOBODY, "0", 100)
    assert (page.changes, page.more) == ([], True)
    assert [*followed(feed, NOBODY, "0", 100)] == [str(town.registry.version())]
    assert picture(feed, OWNER, 100) == picture(feed, OWNER, 1)


def test_followers_in_the_process_are_woken(town: Town, feed: ChangeFeed) -> None:
    woken: list[None] = []
    feed.on_change(lambda: woken.append(None))
    before = len(woken)
    town.registry.resources.change_endpoint(town.uuids[0], friendly_name="Other")
    town.catalogue.refresh()
    assert len(woken) == before + 1


@pytest.mark.parametrize("after", ["", "x", "-1", "1.2", "1.4.1", "1.2.3.4", "9" * 20, "1.0.x"])
def test_no_position(feed: ChangeFeed, after: str) -> None:
    with pytest.raises(FilterError, match="no position"):
        feed.page(ADMIN, after, 10)
