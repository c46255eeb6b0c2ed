"""Each bound of the registry is reached, refuses with a way out, and leaves no trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ciaas import limits
from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.model import Attribute, Constraint, EndpointModel, Node, Thing, ValueType
from ciaas.ports import Conflict, NewPoint
from ciaas.storage.registry import Registry, migrate, model, open_registry
from ciaas.storage.registry.resources import (
    connections,
    endpoints,
    overlays,
    points,
    projects,
    sources,
)
from ciaas.storage.registry.security import accounts, certificates, grants
from security.aaa.levels import Level
from security.ports import CertificateEntry, Grant, ProvisionEntry

LAMP = EndpointId("00000001-0000-4000-8000-000000000000")
CLOCK_MS = 1_000


class Stopped:
    def now_ms(self) -> int:
        return CLOCK_MS


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """A registry with project 1, the endpoint LAMP in it, and user 1."""
    migrate(path := tmp_path / "registry.db")
    with open_registry(path, clock=Stopped()) as opened:
        opened.resources.create_project("quarter")
        opened.resources.create_endpoint(1, "lamp", {}, LAMP)
        opened.accounts.add_user("ada", None, False)
        yield opened


def refused(registry: Registry, sentence: str, change: Callable[[], object]) -> None:
    version = registry.version()
    with pytest.raises(Conflict, match=sentence):
        change()
    assert registry.version() == version


def numbers(*names: str) -> Node:
    attribute = Attribute(Constraint.MEASURE, ValueType.NUMBER)
    return Node(objects={"o": Thing(attributes=dict.fromkeys(names, attribute))})


def text_of(size: int) -> dict[str, str]:
    """Return a document of exactly so many bytes as JSON: 8 of them are ``{"k":""}``."""
    return {"k": "x" * (size - 8)}


def test_texts_are_bounded(registry: Registry) -> None:
    resources = registry.resources
    cases: list[tuple[int, Callable[[str], object]]] = [
        (limits.PROJECT_NAME_CHARS_MAX, resources.create_project),
        (limits.FRIENDLY_NAME_CHARS_MAX, lambda text: resources.create_endpoint(1, text, {})),
        (
            limits.FRIENDLY_NAME_CHARS_MAX,
            lambda text: resources.change_endpoint(LAMP, friendly_name=text),
        ),
        (
            limits.CONNECTION_NAME_CHARS_MAX,
            lambda text: resources.put_connection(text, 1, "modbus", {}, True),
        ),
        (
            limits.CONNECTION_NAME_CHARS_MAX,
            lambda text: resources.put_connection("plant", 1, text, {}, True),
        ),
        (limits.SOURCE_NAME_CHARS_MAX, resources.source),
        (limits.USER_NAME_CHARS_MAX, lambda text: registry.accounts.add_user(text, None, False)),
        (
            limits.TOKEN_LABEL_CHARS_MAX,
            lambda text: registry.accounts.add_token(1, text, text, frozenset(), None),
        ),
        (
            limits.OVERLAY_SCOPE_CHARS_MAX,
            lambda text: resources.change_overlay(f"class:{text[6:]}", {"unit": "W"}),
        ),
    ]
    for room, change in cases:
        change("é" * room)
        refused(
            registry,
            f"{room + 1:,} characters, at most {room:,}",
            partial(change, "é" * (room + 1)),
        )
        refused(registry, "half a surrogate pair", partial(change, "broken \ud800"))


def test_documents_are_bounded(registry: Registry) -> None:
    resources = registry.resources
    cases: list[tuple[int, Callable[[dict[str, Any]], object]]] = [
        (limits.METADATA_BYTES_MAX, lambda given: resources.create_endpoint(1, "x", given)),
        (
            limits.METADATA_BYTES_MAX,
            lambda given: resources.change_endpoint(LAMP, metadata=given),
        ),
        (limits.OVERLAY_BYTES_MAX, lambda given: resources.change_overlay(LAMP, given)),
        (
            limits.CONNECTION_BYTES_MAX,
            lambda given: resources.put_connection("plant", 1, "modbus", given, True),
        ),
        (
            limits.PROVISION_BYTES_MAX,
            lambda given: registry.certificates.put_provision(ProvisionEntry("d", LAMP, 1, given)),
        ),
    ]
    nested: dict[str, Any] = {}
    for _ in range(limits.DOCUMENT_DEPTH_MAX):
        nested = {"k": nested}
    for room, change in cases:
        change(text_of(room))
        refused(
            registry, f"{room + 1:,} bytes, at most {room:,}", partial(change, text_of(room + 1))
        )
        refused(registry, "nested deeper than 32 levels: flatten it", partial(change, nested))
        refused(registry, "is no JSON document", partial(change, {"k": object()}))
        refused(registry, "is no JSON document", partial(change, {"k": "\ud800"}))


def test_an_overlay_grows_by_merging_only_to_its_bound(registry: Registry) -> None:
    registry.resources.change_overlay(LAMP, {"a": "x" * (limits.OVERLAY_BYTES_MAX - 100)})
    refused(
        registry,
        "the overlay of",
        lambda: registry.resources.change_overlay(LAMP, {"b": "x" * 100}),
    )
    assert list(registry.resources.overlay(LAMP)) == ["a"]


def test_the_model_is_bounded(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MODEL_BYTES_MAX", 1_000)
    serial = Attribute(Constraint.STATIC, ValueType.STRING, None, "x" * 1_000)
    node = Node(objects={"o": Thing(attributes={"serial": serial})})
    refused(
        registry,
        r"data model of endpoint .* at most 1,000 are kept: split it",
        lambda: registry.resources.declare_node(LAMP, "n", node),
    )
    broken = Node(objects={"o": Thing("\ud800")})
    refused(registry, "is no JSON", lambda: registry.resources.declare_node(LAMP, "n", broken))


def test_the_points_of_an_endpoint_are_bounded(registry: Registry) -> None:
    resources, room = registry.resources, limits.POINTS_PER_ENDPOINT_MAX
    names = [f"a{number}" for number in range(room + 1)]
    too_many = EndpointModel(nodes={"n": numbers(*names)})
    refused(registry, "would have 10,001 points", lambda: resources.declare_model(LAMP, too_many))
    full = EndpointModel(nodes={"n": numbers(*names[:room])})
    assert len(resources.declare_model(LAMP, full)) == room
    one_more = NewPoint(PointAddress(f"{LAMP}/n/o/more"), Constraint.MEASURE, ValueType.NUMBER)
    sentence = "those it once had included, at most 10,000 are kept: split it into several"
    refused(registry, sentence, lambda: resources.ensure_points([one_more]))
    refused(registry, sentence, lambda: resources.declare_node(LAMP, "m", numbers("more")))
    assert len(resources.remove_node(LAMP, "n")) == room
    refused(registry, sentence, lambda: resources.ensure_points([one_more]))
    assert len(resources.declare_model(LAMP, full)) == room


def test_many_points_are_looked_up_in_several_statements(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points, "REGISTRY_LOOKUP_ROWS", 2)
    wanted = [
        NewPoint(PointAddress(f"{LAMP}/n/o/{name}"), Constraint.MEASURE, ValueType.NUMBER)
        for name in "edcba"
    ]
    made = registry.resources.ensure_points(wanted)
    assert [point.address for point in made] == [new.address for new in wanted]
    assert registry.resources.ensure_points(wanted) == made


def test_projects_endpoints_and_their_like_are_bounded(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = registry.resources
    monkeypatch.setattr(projects, "PROJECTS_MAX", 2)
    monkeypatch.setattr(endpoints, "ENDPOINTS_PER_PROJECT_MAX", 2)
    monkeypatch.setattr(connections, "CONNECTIONS_MAX", 1)
    monkeypatch.setattr(sources, "SOURCES_MAX", 1)
    monkeypatch.setattr(accounts, "USERS_MAX", 2)

    resources.create_project("second")
    refused(registry, "there are 2 projects already", lambda: resources.create_project("third"))

    second = resources.create_endpoint(1, "x", {}).uuid
    sentence = "project 1 may have 2 endpoints: delete some or use another project"
    refused(registry, sentence, lambda: resources.create_endpoint(1, "y", {}))
    resources.create_endpoint(2, "y", {})
    resources.delete_endpoint(second, 1)
    resources.create_endpoint(1, "y", {})

    resources.put_connection("plant", 1, "modbus", {}, True)
    refused(
        registry,
        "there are 1 names of connections already: reuse one",
        lambda: resources.put_connection("other", 1, "modbus", {}, True),
    )
    resources.delete_connection("plant")
    resources.put_connection("plant", 1, "modbus", {}, True)

    resources.source("mqtt:a")
    refused(registry, "there are 1 sources already", lambda: resources.source("mqtt:b"))
    assert resources.source("mqtt:a") == 1

    registry.accounts.add_user("bob", None, False)
    refused(
        registry,
        "there are 2 users already: reuse a disabled one",
        lambda: registry.accounts.add_user("eve", None, False),
    )


def test_overlays_are_bounded(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    resources = registry.resources
    monkeypatch.setattr(overlays, "OVERLAYS_PER_ENDPOINT_MAX", 1)
    monkeypatch.setattr(overlays, "CLASS_OVERLAYS_MAX", 1)
    for first, second, whose in (
        (LAMP, f"{LAMP}/n", f"endpoint {LAMP} has"),
        ("class:a", "class:b", "the classes have"),
    ):
        resources.change_overlay(first, {"unit": "W"})
        more = partial(resources.change_overlay, second, {"unit": "W"})
        refused(registry, f"{whose} 1 overlays already: attach metadata higher up", more)
        resources.change_overlay(first, {"unit": "kW"})


def test_tokens_make_way_once_they_are_worth_nothing(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "TOKENS_PER_USER_MAX", 2)
    store = registry.accounts

    def add(digest: str, expires_at: int | None) -> int:
        return store.add_token(1, digest, "", frozenset(), expires_at).id

    add("lasting", None)
    add("expiring", CLOCK_MS)
    revoked = add("later", CLOCK_MS + 1)
    assert [token.digest for token in store.tokens(1)] == ["lasting", "later"]
    refused(registry, "user 1 has 2 tokens in force: revoke some", lambda: add("more", None))
    store.revoke_token(revoked)
    assert add("more", None) > revoked
    assert [token.digest for token in store.tokens(1)] == ["lasting", "more"]
    scopes = frozenset({"x" * limits.TOKEN_SCOPES_BYTES_MAX})
    refused(registry, "scopes has", lambda: store.add_token(1, "d", "", scopes, None))


def test_grants_are_bounded(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grants, "GRANTS_PER_USER_MAX", 1)
    put = registry.grants.put_grant
    put(Grant(1, ("1",), Level.READ))
    put(Grant(1, ("1",), Level.WRITE))
    sentence = "user 1 has 1 grants: grant a higher prefix"
    refused(registry, sentence, lambda: put(Grant(1, (), Level.READ)))
    registry.grants.remove_grant(1, ("1",))
    put(Grant(1, (), Level.READ))
    refused(registry, sentence, lambda: put(Grant(1, ("1",), Level.READ)))


def test_certificates_make_way_once_they_are_expired_or_denied(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "CERTIFICATES_PER_ENDPOINT_MAX", 2)
    store = registry.certificates

    def add(serial: str, not_after: int) -> None:
        store.add_certificate(CertificateEntry(serial, LAMP, "f", not_after))

    add("01", CLOCK_MS - 1)
    add("02", CLOCK_MS)
    add("03", CLOCK_MS + 1)
    assert [entry.serial for entry in store.certificates(LAMP)] == ["02", "03"]
    sentence = "has 2 certificates in force: revoke some"
    refused(registry, sentence, lambda: add("04", CLOCK_MS + 1))
    store.put_provision(token := ProvisionEntry("digest", LAMP, CLOCK_MS + 1, {}))
    issued = CertificateEntry("04", LAMP, "f", CLOCK_MS + 1)
    refused(registry, sentence, lambda: store.take_provision("digest", CLOCK_MS, issued))
    assert store.provision("digest") == token, "not used up by what had no room"
    store.revoke_certificate("03")
    store.revoke_certificate("02")
    assert store.take_provision("digest", CLOCK_MS, issued) == token
    assert [entry.serial for entry in store.certificates(LAMP)] == ["03", "04"], "oldest first"
    add("05", CLOCK_MS + 1)
    assert [entry.serial for entry in store.certificates(LAMP)] == ["04", "05"]
