"""Errors of every kind are problem documents of one shape; and the API's own description."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from ciaas.ports import AnswerTooLarge, Conflict, HistoryError, Interrupted, Missing, RegistryError
from cpaas.access.app import create_app
from cpaas.access.problems import PROBLEM
from cpaas.limits import BODY_BYTES_MAX, PROBLEM_DETAIL_CHARS_MAX, PROBLEM_FAULTS_MAX
from tests.cpaas.conftest import API, House

MEMBERS = {"type", "title", "status", "detail"}


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    document: dict[str, Any] = answer.json()
    assert answer.status_code == document["status"] == status
    assert answer.headers["content-type"] == PROBLEM
    assert set(document) >= MEMBERS
    assert all(isinstance(document[key], str) and document[key] for key in ("title", "detail"))
    return document


def test_a_path_that_is_none(shared_house: House) -> None:
    client = shared_house.client()
    for path in ("/nowhere", "/endpoints/", "/docs", "/redoc", "//endpoints"):
        assert "openapi.json" in problem(client.get(path), 404)["detail"]
    outside = client.base_url.join("/nowhere")  # "/" is the console's
    assert problem(client.get(outside), 404)
    assert "location" not in client.get("/endpoints/").headers


def test_a_verb_that_the_path_does_not_take(shared_house: House) -> None:
    client = shared_house.client()
    for verb, path in (("DELETE", "/endpoints"), ("PATCH", "/health"), ("OPTIONS", "/users")):
        answer = client.request(verb, path)
        assert problem(answer, 405)
        assert answer.headers["Allow"]


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("/tokens", b"{", 400),
        ("/tokens", b"\xff\xfe", 400),
        ("/tokens", b"[" * 100_000, 400),
        ("/tokens", b"[]", 422),
        ("/tokens", b"{}", 422),
        ("/tokens", b'{"label": "\\ud800", "scopes": ["read"]}', 422),
        ("/tokens", b'{"label": "a", "scopes": ["read"], "\\ud800": 1}', 422),
    ],
)
def test_a_body_at_fault(shared_house: House, path: str, content: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    answer = shared_house.client().post(path, content=content, headers=headers)
    assert problem(answer, status)


def test_faults_are_told_by_place_and_bounded(shared_house: House) -> None:
    body = {"label": "a", "scopes": ["read"], **{f"x{i}": i for i in range(50)}}
    document = problem(shared_house.client().post("/tokens", json=body), 422)
    assert len(document["faults"]) == PROBLEM_FAULTS_MAX
    assert document["faults"][0]["where"] == "body.x0"
    long = {"label": "a", "scopes": ["read"], "y" * 5_000: 1}
    document = problem(shared_house.client().post("/tokens", json=long), 422)
    assert len(document["detail"]) <= 2 * PROBLEM_DETAIL_CHARS_MAX


def test_a_body_beyond_the_bound_is_refused_announced_or_not(shared_house: House) -> None:
    client = shared_house.client()
    whole = client.post("/tokens", content=b" " * (BODY_BYTES_MAX + 1))
    assert problem(whole, 413)
    parts = (b" " * 1_000_000 for _ in range(BODY_BYTES_MAX // 1_000_000 + 1))
    streamed = client.post("/tokens", content=parts, headers={"Content-Type": "application/json"})
    assert problem(streamed, 413)
    fits = client.post(
        "/tokens",
        content=b" " * (BODY_BYTES_MAX - 2) + b"{}",
        headers={"Content-Type": "application/json"},
    )
    assert problem(fits, 422)


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (RegistryError("busy"), 503, True),
        (Conflict("taken"), 409, False),
        (Missing("there is no endpoint 7: create it first"), 404, False),
        (Interrupted("repeat"), 503, True),
        (AnswerTooLarge("ask for less"), 413, False),
        (HistoryError("the interval is no interval"), 422, False),
    ],
)
def test_what_the_stores_refuse(
    house: House, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, retry: bool
) -> None:
    class Further(type(error)):  # type: ignore[misc] # a subclass, as the stores raise them
        pass

    def refuse(*_: object) -> None:
        raise Further(str(error))

    monkeypatch.setattr(house.history, "aside", refuse)
    answer = house.client().get("/quarantine")
    document = problem(answer, status)
    assert ("Retry-After" in answer.headers) is retry
    assert ("7" in document["detail"]) is False


def test_health_says_what_is_awaited(house: House) -> None:
    anyone = house.client(token=None)
    assert anyone.get("/health").json() == {"status": "ready", "commit": 0}
    house.waiting.append("the broker")
    answer = anyone.get("/health")
    assert problem(answer, 503)["detail"] == "waiting for the broker"
    assert answer.headers["Retry-After"]


PROVIDER = ("/oauth2/", "/.well-known/openid-configuration")


def test_the_description_is_whole(shared_house: House) -> None:
    answer = shared_house.client(token=None).get("/openapi.json")
    assert answer.status_code == 200
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    described = {
        (verb.upper(), path.removeprefix(API))
        for path, operations in document["paths"].items()
        for verb in operations
    }
    served = {
        (verb, str(route.path).removeprefix(API).replace(":path", ""))
        for route in iter_route_contexts(create_app(shared_house.city).routes)
        for verb in route.methods or ()
    }
    # The provider describes itself, as its own standard wants it.
    provider = {(verb, path) for verb, path in served if path.startswith(PROVIDER)}
    assert described == served - {("GET", "/openapi.json")} - provider
    identifiers = []
    for path, operations in document["paths"].items():
        for operation in operations.values():
            identifiers.append(operation["operationId"])
            assert operation["summary"] and operation["tags"]
            assert operation["responses"]["default"]["content"].keys() == {PROBLEM}
            declared = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
            assert declared == {part.split("}")[0] for part in path.split("{")[1:]}
    assert len(identifiers) == len(set(identifiers))
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split('"#/')[1:]}:
        target = document
        for step in reference.split("/"):
            target = target[step]
    assert "HTTPValidationError" not in text
    anonymous = {
        path.removeprefix(API)
        for path, operations in document["paths"].items()
        for operation in operations.values()
        if not operation.get("security")
    }
    own_ways = {path for path in anonymous if path.startswith("/.well-known/est/")}
    assert anonymous - own_ways == {
        "/health", "/setup", "/login", "/session", "/provision/{token}", "/invitations/accept",
    }  # fmt: skip
