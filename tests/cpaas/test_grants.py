"""Grants: nobody gives more than the own level, and nobody takes from who holds more."""

from __future__ import annotations

import httpx
import pytest

from tests.cpaas.conftest import House


def put(client: httpx.Client, user: str, prefix: str, level: str) -> int:
    body = {"user": user, "prefix": prefix, "level": level}
    return client.put("/grants", json=body).status_code


def remove(client: httpx.Client, user: str, prefix: str) -> int:
    return client.delete("/grants", params={"user": user, "prefix": prefix}).status_code


def test_grants_are_listed_to_who_may_grant_there(house: House) -> None:
    uuid, other = house.endpoint(), house.endpoint("Other")
    granter = house.user("anna", {f"{uuid}/#": "GRANT"})
    house.user("bert", {f"{uuid}/n/o/a": "READ", f"{other}/#": "READ", "project:city": "BROWSE"})
    assert granter.get("/grants").json() == [
        {"user": "anna", "prefix": f"{uuid}/#", "level": "GRANT"},
        {"user": "bert", "prefix": f"{uuid}/n/o/a/#", "level": "READ"},
    ]
    everything = house.client().get("/grants").json()
    assert {"user": "bert", "prefix": "project:city", "level": "BROWSE"} in everything
    assert len(everything) == 4


def test_at_most_the_own_level_is_granted(house: House) -> None:
    uuid = house.endpoint()
    granter = house.user("anna", {f"{uuid}/#": "GRANT"})
    house.user("bert")
    assert put(granter, "bert", f"{uuid}/#", "OWN") == 403
    assert put(granter, "anna", f"{uuid}/#", "OWN") == 403
    assert put(granter, "bert", f"{uuid}/#", "GRANT") == 204
    assert put(granter, "bert", "project:city", "READ") == 403
    house.grant("anna", f"{uuid}/#", "CONFIGURE")
    assert put(granter, "bert", f"{uuid}/#", "READ") == 403


def test_what_is_denied_to_oneself_cannot_be_given_from_above(house: House) -> None:
    uuid = house.endpoint()
    granter = house.user("anna", {f"{uuid}/#": "GRANT", f"{uuid}/secret/#": "DENY"})
    house.user("bert")
    assert put(granter, "bert", f"{uuid}/#", "READ") == 403
    assert put(granter, "anna", f"{uuid}/secret/#", "READ") == 404
    assert put(granter, "bert", f"{uuid}/open/#", "READ") == 204


def test_nobody_takes_from_who_holds_more(house: House) -> None:
    uuid = house.endpoint()
    granter = house.user("anna", {f"{uuid}/#": "GRANT"})
    house.user("owner", {f"{uuid}/#": "OWN"})
    house.user("chief", {"project:city": "OWN"})
    assert put(granter, "owner", f"{uuid}/#", "DENY") == 403
    assert put(granter, "chief", f"{uuid}/n/#", "DENY") == 403
    assert remove(granter, "owner", f"{uuid}/#") == 403
    assert put(granter, "anna", f"{uuid}/#", "READ") == 204  # from oneself, always


def test_taking_a_deny_back_gives_no_more_than_the_own_level(house: House) -> None:
    uuid = house.endpoint()
    granter = house.user("anna", {f"{uuid}/#": "GRANT"})
    house.user("bert", {"project:city": "OWN", f"{uuid}/#": "DENY"})
    house.user("carl", {"project:city": "READ", f"{uuid}/#": "DENY"})
    assert remove(granter, "bert", f"{uuid}/#") == 403
    assert remove(granter, "carl", f"{uuid}/#") == 204


def test_a_grant_that_is_not_there_cannot_be_taken_back(house: House) -> None:
    uuid = house.endpoint()
    house.user("bert", {f"{uuid}/#": "READ"})
    assert remove(house.client(), "bert", f"{uuid}/n/#") == 404
    assert remove(house.client(), "nobody", f"{uuid}/#") == 404
    assert remove(house.client(), "bert", f"{uuid}") == 204  # the same prefix, written shorter


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"level": "GOD"}, 422),
        ({"level": 7}, 422),
        ({"prefix": "no-uuid/#"}, 400),
        ({"prefix": "project:nowhere"}, 404),
        ({"user": "nobody"}, 404),
        ({"more": 1}, 422),
    ],
)
def test_a_grant_that_says_nothing_is_refused(
    house: House, change: dict[str, object], status: int
) -> None:
    house.user("bert")
    body = {"user": "bert", "prefix": f"{house.endpoint()}/#", "level": "READ", **change}
    assert house.client().put("/grants", json=body).status_code == status
