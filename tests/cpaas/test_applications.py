"""Applications are registered, changed, shut out and removed; their secrets rotate."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx
import pytest

from ciaas.limits import APPLICATIONS_PER_PROJECT_MAX, AUTHORISATIONS_PER_USER_MAX
from cpaas.access.app import create_app
from cpaas.limits import FORM_BYTES_MAX, TOKEN_REQUESTS_AT_ONCE, TOKEN_REQUESTS_WAITING_MAX
from security.aaa.errors import Throttled
from security.aaa.oidc.ports import Application, Authorisation
from security.limits import (
    APPLICATION_NAME_CHARS_MAX,
    PARAMETER_CHARS_MAX,
    PARAMETERS_MAX,
    REDIRECT_URI_CHARS_MAX,
    REDIRECT_URIS_MAX,
    SECRET_OVERLAP_S_MAX,
)
from tests.cpaas.conftest import House

NEW = {
    "name": "Harbour lights",
    "redirect_uris": ["https://app.example/callback"],
    "grants": ["client_credentials", "authorization_code"],
    "scopes": ["read"],
}


@pytest.fixture(scope="module")
def city(shared_house: House) -> House:
    return shared_house


@pytest.fixture(scope="module")
def gardener(city: House) -> httpx.Client:
    """May configure the city, and is no administrator."""
    return city.user("gardener", {"project:city": "CONFIGURE"})


def made(client: httpx.Client, **changed: Any) -> dict[str, Any]:
    answer = client.post("/applications", json=NEW | changed, params={"project": "city"})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def token(city: House, client_id: str, secret: str) -> httpx.Response:
    return city.client(token=None).post(
        f"{city.base_url.removesuffix('/api/v1')}/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=(client_id, secret),
    )


def test_an_application_is_registered_and_found(city: House, gardener: httpx.Client) -> None:
    new = made(gardener)
    secret = new.pop("client_secret")
    assert secret.startswith("bor_secret_")
    assert new["user"] == f"app:{new['client_id']}"
    assert (new["owner"], new["project"]) == ("gardener", "city")
    assert new["last_used_at"] is None
    assert new in gardener.get("/applications").json()
    assert token(city, new["client_id"], secret).status_code == 200
    found = gardener.get(f"/applications/{new['client_id']}").json()
    assert found["last_used_at"] is not None
    assert [used["last_used_at"] is not None for used in found["secrets"]] == [True]
    assert secret not in str(found)
    assert secret not in str(city.recorded())


def test_a_secret_rotates_with_an_overlap(city: House, gardener: httpx.Client) -> None:
    new = made(gardener)
    client_id, secrets = new["client_id"], [new["client_secret"]]
    for overlap_s in (3_600, 0):
        answer = gardener.post(f"/applications/{client_id}/secret", json={"overlap_s": overlap_s})
        assert answer.status_code == 201
        secrets.append(answer.json()["client_secret"])
        if overlap_s:
            assert [token(city, client_id, secret).status_code for secret in secrets] == [200, 200]
    statuses = [token(city, client_id, secret).status_code for secret in secrets]
    assert statuses == [401, 401, 200]
    kept = gardener.get(f"/applications/{client_id}").json()["secrets"]
    assert [secret["expires_at"] for secret in kept] == [None]


def test_only_two_secrets_are_in_force(city: House, gardener: httpx.Client) -> None:
    new = made(gardener)
    secrets = [new["client_secret"]]
    for _ in range(2):
        path = f"/applications/{new['client_id']}/secret"
        secrets.append(gardener.post(path, json={"overlap_s": 60}).json()["client_secret"])
    statuses = [token(city, new["client_id"], secret).status_code for secret in secrets]
    assert statuses == [401, 200, 200]


def test_an_application_is_shut_out_let_in_and_removed(city: House, gardener: httpx.Client) -> None:
    new = made(gardener)
    client_id, secret = new["client_id"], new["client_secret"]
    city.grant(f"app:{client_id}", "project:city", "READ")
    api = city.client(token(city, client_id, secret).json()["access_token"])
    assert api.get("/account").status_code == 200
    path = f"/applications/{client_id}"
    assert gardener.patch(path, json={"disabled": True}).json()["disabled"] is True
    assert api.get("/account").status_code == 401
    assert token(city, client_id, secret).status_code == 401
    gardener.patch(path, json={"disabled": False})
    assert api.get("/account").status_code == 200
    assert gardener.delete(path).status_code == 204
    assert api.get("/account").status_code == 401
    assert gardener.get(path).status_code == 404
    grants = city.client().get("/grants").json()
    assert not [grant for grant in grants if grant.get("user") == f"app:{client_id}"]


def test_what_was_changed_holds_at_once(city: House, gardener: httpx.Client) -> None:
    new = made(gardener, scopes=["read", "write"])
    client_id, secret = new["client_id"], new["client_secret"]
    assert token(city, client_id, secret).json()["scope"] == "read write"
    changed = gardener.patch(
        f"/applications/{client_id}", json={"scopes": ["read"], "name": "Night lights"}
    ).json()
    assert (changed["scopes"], changed["name"]) == (["read"], "Night lights")
    assert changed["redirect_uris"] == NEW["redirect_uris"]
    assert token(city, client_id, secret).json()["scope"] == "read"


def test_nobody_gives_an_application_more_than_the_own_token_has(
    city: House, gardener: httpx.Client
) -> None:
    for scopes in (["admin"], ["read", "admin"]):
        answer = gardener.post("/applications", json=NEW | {"scopes": scopes})
        assert answer.status_code == 403
    new = made(city.client(), scopes=["read"])
    widened = gardener.patch(f"/applications/{new['client_id']}", json={"scopes": ["admin"]})
    assert widened.status_code == 403


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"name": ""}, "1 to 100"),
        ({"name": "x" * (APPLICATION_NAME_CHARS_MAX + 1)}, "1 to 100"),
        ({"name": "a\nb"}, "printable"),
        ({"grants": []}, "at least one grant"),
        ({"grants": ["password"]}, "'password' is no grant"),
        ({"scopes": ["everything"]}, "'everything' is no scope"),
        ({"redirect_uris": []}, "at least one address"),
        ({"redirect_uris": ["http://app.example/"]}, "https, or to http on 127.0.0.1"),
        ({"redirect_uris": ["https://app.example/*"]}, "* stands for nothing"),
        ({"redirect_uris": ["https://app.example/#x"]}, "no fragment"),
        ({"redirect_uris": ["https://maria@app.example/"]}, "no name"),
        ({"redirect_uris": ["https://app.example/a/../b"]}, "without . and .."),
        ({"redirect_uris": ["com.example.app:/in"]}, "no address of https"),
        ({"redirect_uris": ["https://app.example:port/"]}, "no address of https"),
        ({"redirect_uris": ["https://app.exämple/"]}, "encode"),
        ({"redirect_uris": ["https://a.example/" + "x" * REDIRECT_URI_CHARS_MAX]}, "at most"),
        ({"logout_uris": ["http://app.example/"]}, "https, or to http on 127.0.0.1"),
        ({"confidential": False}, "keep a secret"),
    ],
)
def test_what_breaks_a_rule_is_told(
    gardener: httpx.Client, changed: dict[str, Any], told: str
) -> None:
    answer = gardener.post("/applications", json=NEW | changed)
    assert answer.status_code == 422, answer.text
    assert told in answer.json()["detail"]


def test_more_addresses_than_fit_are_refused(gardener: httpx.Client) -> None:
    uris = [f"https://app.example/{number}" for number in range(REDIRECT_URIS_MAX + 1)]
    assert gardener.post("/applications", json=NEW | {"redirect_uris": uris}).status_code == 422


def test_an_overlap_has_an_end_and_a_public_application_no_secret(
    gardener: httpx.Client,
) -> None:
    new = made(gardener)
    path = f"/applications/{new['client_id']}/secret"
    longer = gardener.post(path, json={"overlap_s": SECRET_OVERLAP_S_MAX + 1})
    assert longer.status_code == 422
    public = made(gardener, confidential=False, grants=["authorization_code"])
    assert public["client_secret"] is None
    path = f"/applications/{public['client_id']}/secret"
    assert "no secret" in gardener.post(path, json={}).json()["detail"]


def test_a_project_has_a_bound_of_applications(
    city: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert APPLICATIONS_PER_PROJECT_MAX > 10
    city.project("small")
    monkeypatch.setattr("ciaas.storage.registry.oidc.applications.APPLICATIONS_PER_PROJECT_MAX", 1)
    admin = city.client()
    params = {"project": "small"}
    assert admin.post("/applications", json=NEW, params=params).status_code == 201
    refused = admin.post("/applications", json=NEW, params=params)
    assert refused.status_code == 409
    assert "delete one" in refused.json()["detail"]


def test_the_oldest_authorisation_makes_way(city: House, gardener: httpx.Client) -> None:
    new = made(gardener)
    store = city.registry.authorisations
    application = city.city.oidc.provider.applications.named(new["client_id"])
    given = Authorisation(application.id, 1, frozenset({"read"}), 1, None)
    numbers = [store.begin(given) for _ in range(AUTHORISATIONS_PER_USER_MAX + 1)]
    alive = [number for number in numbers if store.in_force(number, 2) is not None]
    assert alive == numbers[1:]


def test_forms_and_parameters_have_bounds(city: House) -> None:
    plain, base = city.client(token=None), city.base_url.removesuffix("/api/v1")
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    for path, body, status in (
        ("token", "a=" + "x" * FORM_BYTES_MAX, 413),
        ("token", "&".join(f"a{n}=1" for n in range(PARAMETERS_MAX + 1)), 400),
        ("token", "a=" + "x" * PARAMETER_CHARS_MAX, 400),
        ("token", "a=1&a=2", 400),
    ):
        answer = plain.post(f"{base}/oauth2/{path}", content=body, headers=kind)
        assert answer.status_code == status, (body[:20], answer.text)
    assert plain.post(f"{base}/oauth2/token", json={}).status_code == 415
    long = plain.get(f"{base}/oauth2/authorize", params={"state": "x" * PARAMETER_CHARS_MAX})
    assert long.status_code == 400


def test_requests_for_tokens_wait_at_a_door_of_their_own(city: House) -> None:
    doorway = create_app(city.city).state.token_doorway
    ready, at_work = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        at_work.release()
        assert ready.wait(20)

    async def crowd() -> None:
        most = TOKEN_REQUESTS_AT_ONCE + TOKEN_REQUESTS_WAITING_MAX
        inside = [asyncio.create_task(doorway.work(work)) for _ in range(most)]
        for _ in range(TOKEN_REQUESTS_AT_ONCE):
            await asyncio.to_thread(at_work.acquire)
        assert not at_work.acquire(blocking=False)
        with pytest.raises(Throttled):
            await doorway.work(work)
        ready.set()
        await asyncio.gather(*inside)

    asyncio.run(crowd())


def test_a_stored_application_is_what_was_registered(city: House, gardener: httpx.Client) -> None:
    new = made(gardener, logout_uris=["https://app.example/bye"], id_token_alg="RS256")
    found = city.registry.applications.application(new["client_id"])
    assert isinstance(found, Application)
    assert found.logout_uris == ("https://app.example/bye",)
    assert found.grants == frozenset(NEW["grants"])
    assert found.id_token_alg == "RS256"
