"""Every route that may change something leaves a line of its kind, whatever becomes of it."""

from __future__ import annotations

import httpx
import pytest

from cpaas.access.entrance.acts import CHANGES, ELSEWHERE, LOOKS, act_of
from security.aaa.acts import Act
from tests.cpaas.conftest import API, House
from tests.cpaas.route_matrix import MATRIX, NOWHERE, ROOT, ask, routes

CHANGING = sorted(key for key in MATRIX if key[0] not in LOOKS)


def test_every_route_that_may_change_something_is_one_of_a_kind(shared_house: House) -> None:
    unknown = {
        path
        for verb, path in routes(shared_house)
        if verb not in LOOKS
        and path.removeprefix("/").partition("/")[0] not in CHANGES
        and not any(path.startswith(prefix) for prefix in ELSEWHERE)
    }
    assert not unknown, "say in cpaas/access/entrance/acts.py which act these are"


def test_no_kind_is_kept_for_routes_that_are_gone(shared_house: House) -> None:
    known = {path.removeprefix("/").partition("/")[0] for _, path in routes(shared_house)}
    assert set(CHANGES) <= known


@pytest.fixture(scope="module")
def admin(shared_house: House) -> httpx.Client:
    return shared_house.client()


@pytest.mark.parametrize("key", CHANGING)
def test_it_leaves_a_line_of_its_kind(
    shared_house: House, admin: httpx.Client, key: tuple[str, str]
) -> None:
    verb = key[0]
    before = shared_house.record.sequence
    answer = ask(admin, verb, MATRIX[key], NOWHERE)
    entries = [
        entry
        for entry in shared_house.record.read(before, 100)
        if entry.get("kind") == "access" and not entry.get("about", {}).get("part")
    ]
    assert [(e["verb"], e["status"]) for e in entries] == [(verb, answer.status_code)]
    asked = NOWHERE.fill(MATRIX[key].path).partition("?")[0]
    whole = asked.removeprefix(ROOT) if asked.startswith(ROOT) else API + asked
    assert entries[0]["act"] == act_of(verb, whole).value


@pytest.mark.parametrize(
    ("verb", "path", "act"),
    [
        ("GET", "/api/v1/data/x", Act.READ), ("PUT", "/api/v1/data/x", Act.COMMAND),
        ("POST", "/api/v1/query", Act.READ), ("POST", "/api/v1/search", Act.READ),
        ("POST", "/api/v1/mashups/x/dry-run", Act.READ),
        ("POST", "/api/v1/observations", Act.WRITE), ("PUT", "/api/v1/grants", Act.GRANT),
        ("DELETE", "/api/v1/groups/x", Act.GRANT), ("POST", "/api/v1/login", Act.LOGIN),
        ("POST", "/oauth2/token", Act.LOGIN), ("GET", "/oauth2/logout", Act.LOGIN),
        ("GET", "/api/v1/provision/x", Act.ADMINISTRATION),
        ("POST", "/.well-known/est/simpleenroll", Act.ADMINISTRATION),
        ("DELETE", "/nowhere", Act.ADMINISTRATION),
    ],
)  # fmt: skip
def test_acts_are_told_by_verb_and_place(verb: str, path: str, act: Act) -> None:
    assert act_of(verb, path) is act
