"""Services: published by applications, found by who may know them, granted scope by scope."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from borough.clock import MachineClock
from ciaas.computing.outgoing import Outgoing
from ciaas.computing.reach import Reach
from ciaas.limits import SERVICE_ANSWER_BYTES_MAX, SERVICE_OPENAPI_BYTES_MAX
from ciaas.management.services.health import ServiceWatch
from cpaas.limits import SERVICE_SCOPES_MAX, SERVICE_TEXT_CHARS_MAX
from tests.cpaas.conftest import NO_TLS, House
from tests.cpaas.oidc.conftest import ACCESS_TOKEN, EXCHANGE, Party, claims_of, party_of

OPENAPI = {"openapi": "3.1.0", "info": {"title": "Tides", "version": "1"}, "paths": {"/now": {}}}


@pytest.fixture(scope="module")
def city(shared_house: House) -> House:
    return shared_house


@pytest.fixture(scope="module")
def base(city: House) -> str:
    return city.base_url.removesuffix("/api/v1")


@pytest.fixture
def owner(city: House, base: str) -> Party:
    """The application whose service it is."""
    return party_of(city, base, name="Tides")


def publish(city: House, owner: Party, **changed: Any) -> dict[str, Any]:
    body = {
        "application": owner.client_id,
        "name": "Tides",
        "description": "Height of the water, now and tomorrow",
        "base_url": "https://tides.example/v1",
        "scopes": {"tides.read": "READ", "tides.correct": "WRITE"},
        "version": "1.0",
        "openapi": OPENAPI,
    } | changed
    answer = city.client().post("/services", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_service_is_found_by_who_may_know_it(city: House, owner: Party) -> None:
    service = publish(city, owner, name="Tides of the north")
    reader = city.user(f"reader-{owner.client_id[:8]}", {"project:city": "READ"})
    stranger = city.user(f"stranger-{owner.client_id[:8]}")
    [found] = reader.get("/services", params={"text": "of the NORTH"}).json()
    assert found["uuid"] == service["uuid"]
    assert found["audience"] == f"urn:uuid:{service['uuid']}"
    assert found["mine"] == ["tides.read"]
    assert found["health"] == {"state": "unknown", "why": "", "at": None}
    assert reader.get("/services", params={"text": "mountain"}).json() == []
    assert reader.get(f"/services/{service['uuid']}/openapi.json").json() == OPENAPI
    assert stranger.get("/services").json() == []
    assert stranger.get(f"/services/{service['uuid']}").status_code == 404


def test_versions_are_kept(city: House, owner: Party) -> None:
    uuid = publish(city, owner)["uuid"]
    admin = city.client()
    body = {
        "application": owner.client_id,
        "name": "Tides",
        "base_url": "https://tides.example/v2",
        "scopes": {"tides.read": "READ"},
        "version": "2.0",
        "openapi": OPENAPI | {"paths": {"/tomorrow": {}}},
    }
    assert admin.post(f"/services/{uuid}/versions", json=body).status_code == 201
    again = admin.post(f"/services/{uuid}/versions", json=body)
    assert again.status_code == 409
    found = admin.get(f"/services/{uuid}").json()
    assert (found["version"], found["base_url"]) == ("2.0", "https://tides.example/v2")
    assert [version["version"] for version in found["versions"]] == ["2.0", "1.0"]
    before = admin.get(f"/services/{uuid}/openapi.json", params={"version": "1.0"})
    assert before.json() == OPENAPI
    assert admin.get(f"/services/{uuid}/openapi.json", params={"version": "3"}).status_code == 404


def test_a_scope_is_granted_used_and_taken_back(city: House, base: str, owner: Party) -> None:
    service = publish(city, owner)
    path, audience = f"/services/{service['uuid']}", service["audience"]
    caller = party_of(city, base, name="Ferries")
    user = f"app:{caller.client_id}"
    refused = caller.credentials(audience=audience)
    assert refused.json()["error"] == "invalid_target"
    admin = city.client()
    granted = admin.put(f"{path}/grants", json={"user": user, "scope": "tides.read"})
    assert granted.status_code == 204, granted.text
    answer = caller.credentials(audience=audience).json()
    assert answer["scope"] == "tides.read"
    claims = claims_of(answer["access_token"])
    assert (claims["aud"], claims["scope"]) == (audience, "tides.read")
    assert caller.api(answer["access_token"]).get("/account").status_code == 401
    told = owner.post("/oauth2/introspect", token=answer["access_token"]).json()
    assert (told["active"], told["username"], told["scope"]) == (True, user, "tides.read")
    more = caller.credentials(audience=audience, scope="tides.correct")
    assert more.json()["error"] == "invalid_scope"
    taken = admin.delete(f"{path}/grants", params={"user": user, "scope": "tides.read"})
    assert taken.status_code == 204
    assert caller.credentials(audience=audience).json()["error"] == "invalid_target"
    for asking in (owner, caller):
        told = asking.post("/oauth2/introspect", token=answer["access_token"]).json()
        assert told == {"active": False}


def test_a_service_is_told_what_a_token_may_now(city: House, base: str, owner: Party) -> None:
    service = publish(city, owner)
    caller = party_of(city, base, name="Pilots")
    admin, user = city.client(), f"app:{caller.client_id}"
    path, registered = f"/services/{service['uuid']}", f"/applications/{caller.client_id}"
    for scope in service["scopes"]:
        assert admin.put(f"{path}/grants", json={"user": user, "scope": scope}).is_success
    token = caller.credentials(audience=service["audience"]).json()["access_token"]

    def told() -> str | None:
        answer = owner.post("/oauth2/introspect", token=token).json()
        return answer["scope"] if answer["active"] else None

    assert told() == "tides.correct tides.read"
    taken = admin.delete(f"{path}/grants", params={"user": user, "scope": "tides.correct"})
    assert taken.status_code == 204
    assert told() == "tides.read"
    assert admin.patch(registered, json={"scopes": ["write"]}).status_code == 200
    assert told() is None
    assert admin.patch(registered, json={"scopes": ["read"]}).status_code == 200
    assert told() == "tides.read"
    assert admin.delete(path).status_code == 204
    assert told() is None


def test_a_token_for_a_service_says_no_more_than_the_one_exchanged(
    city: House, base: str, owner: Party
) -> None:
    service = publish(city, owner)
    caller = party_of(city, base, name="Ferries")
    path, user = f"/services/{service['uuid']}/grants", f"app:{caller.client_id}"
    for scope in service["scopes"]:
        assert city.client().put(path, json={"user": user, "scope": scope}).is_success
    held = {}
    for scope in ("read", "read write"):
        token = caller.credentials(scope=scope).json()["access_token"]
        answer = caller.post(
            "/oauth2/token",
            grant_type=EXCHANGE,
            subject_token=token,
            subject_token_type=ACCESS_TOKEN,
            audience=service["audience"],
        ).json()
        held[scope] = answer["scope"]
        assert claims_of(answer["access_token"])["exp"] <= claims_of(token)["exp"]
    assert held == {"read": "tides.read", "read write": "tides.correct tides.read"}


def test_a_service_that_is_gone_is_nobodys(city: House, base: str, owner: Party) -> None:
    service = publish(city, owner)
    caller = party_of(city, base)
    user = f"app:{caller.client_id}"
    admin, path = city.client(), f"/services/{service['uuid']}"
    admin.put(f"{path}/grants", json={"user": user, "scope": "tides.read"})
    assert admin.delete(path).status_code == 204
    assert admin.get(path).status_code == 404
    assert caller.credentials(audience=service["audience"]).json()["error"] == "invalid_target"
    second = publish(city, owner)
    assert admin.delete(f"/applications/{owner.client_id}").status_code == 204
    assert admin.get(f"/services/{second['uuid']}").status_code == 404


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"base_url": "ftp://tides.example"}, "no URL of http"),
        ({"base_url": "https://maria:secret@tides.example"}, "no name or password"),
        ({"health_url": "tides"}, "no URL of http"),
        ({"openapi": {"swagger": "2.0"}}, "OpenAPI 3"),
        ({"openapi": {"openapi": "3.1.0"}}, "which paths"),
        ({"openapi": OPENAPI | {"x": "x" * SERVICE_OPENAPI_BYTES_MAX}}, "shorten it"),
        ({"scopes": {}}, "scopes"),
        ({"scopes": {f"s{n}": "READ" for n in range(SERVICE_SCOPES_MAX + 1)}}, "scopes"),
        ({"scopes": {"a/b": "READ"}}, "scopes"),
        ({"scopes": {"a": "OWN"}}, "scopes"),
        ({"version": "1 0"}, "version"),
        ({"description": "x" * (SERVICE_TEXT_CHARS_MAX + 1)}, "description"),
    ],
)
def test_what_breaks_a_rule_is_told(
    city: House, owner: Party, changed: dict[str, Any], told: str
) -> None:
    body = {
        "application": owner.client_id,
        "name": "Tides",
        "base_url": "https://tides.example",
        "scopes": {"tides.read": "READ"},
        "version": "1.0",
        "openapi": OPENAPI,
    }
    answer = city.client().post("/services", json=body | changed)
    assert answer.status_code in (409, 422), answer.text
    assert told in answer.json()["detail"]


def test_a_scope_that_the_service_lacks_is_not_granted(city: House, owner: Party) -> None:
    path = f"/services/{publish(city, owner)['uuid']}/grants"
    body = {"user": f"app:{owner.client_id}", "scope": "tides.drink"}
    assert "no such scope" in city.client().put(path, json=body).json()["detail"]


@pytest.mark.parametrize("bound", ["SERVICES_PER_APPLICATION_MAX", "SERVICES_MAX"])
def test_services_have_bounds(
    city: House, owner: Party, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    publish(city, owner)
    monkeypatch.setattr(f"ciaas.storage.registry.oidc.services.{bound}", 1)
    body = {
        "application": owner.client_id,
        "name": "Tides",
        "base_url": "https://tides.example",
        "scopes": {"tides.read": "READ"},
        "version": "1.0",
        "openapi": OPENAPI,
    }
    assert city.client().post("/services", json=body).status_code == 409


# -- health


class _Health(BaseHTTPRequestHandler):
    answers: tuple[int, bytes] = (200, b"fine")

    def do_GET(self) -> None:
        status, body = type(self).answers
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def answering(status: int, body: bytes = b"fine") -> Iterator[str]:
    """Answer a health address so."""
    kind = type("Answers", (_Health,), {"answers": (status, body)})
    with HTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/health"
        finally:
            server.shutdown()
            thread.join()


def looked(city: House, uuid: str, reach: tuple[str, ...] = ("127.0.0.0/8",)) -> tuple[str, str]:
    """Return what one round of the watch finds of a service."""
    service = city.registry.services.service(uuid)
    assert service is not None

    async def once() -> tuple[str, str]:
        watch = ServiceWatch(city.registry.services, nothing, MachineClock())
        assert watch.health(service).at is None
        async with Outgoing(Reach.of(reach), connections=2, tls=NO_TLS) as outgoing:
            await watch.look_at(outgoing, [service])
        found = watch.health(service)
        assert found.at is not None
        assert watch.health(replace(service, health_url="http://other")).state == "unknown"
        return found.state, found.why

    return asyncio.run(once())


def nothing() -> Outgoing:
    raise AssertionError("the watch was given its way out")


@pytest.mark.parametrize(
    ("status", "body", "state", "why"),
    [
        (200, b"fine", "up", ""),
        (204, b"", "up", ""),
        (503, b"", "down", "it answered 503"),
        (302, b"", "down", "it answered 302"),
        (200, b"x" * (SERVICE_ANSWER_BYTES_MAX + 1), "down", "more than"),
    ],
)
def test_health_is_what_its_address_answers(
    city: House, owner: Party, status: int, body: bytes, state: str, why: str
) -> None:
    with answering(status, body) as url:
        uuid = publish(city, owner, health_url=url)["uuid"]
        found = looked(city, uuid)
    assert found[0] == state
    assert why in found[1]


def test_a_health_address_leads_nowhere_that_is_not_ours_to_ask(city: House, owner: Party) -> None:
    with answering(200) as url:
        uuid = publish(city, owner, health_url=url)["uuid"]
        state, why = looked(city, uuid, reach=())
    assert state == "down"
    assert "not public" in why
