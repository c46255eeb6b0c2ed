"""What every backend keeps of applications, authorisations, codes, devices, keys and services."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ciaas.management.services.ports import Service
from ciaas.ports import Conflict
from ciaas.storage.registry import Registry
from ciaas.storage.registry.oidc import applications, authorisations, keys, requests, services
from security.aaa.levels import Level
from security.aaa.oidc.ports import (
    Application,
    Authorisation,
    Code,
    DeviceRequest,
    SignedIn,
    SigningKey,
)
from security.ports import Grant

NOW = 1_000_000
SCOPES = frozenset({"openid", "read"})


@pytest.fixture
def maria(registry: Registry) -> int:
    return registry.accounts.add_user("maria", None, False).id


@pytest.fixture
def lights(registry: Registry, maria: int) -> Application:
    return registry.applications.add(wanted(registry, maria, "11"), "digest of the first")


def wanted(registry: Registry, owner: int, uuid: str) -> Application:
    found = registry.resources.projects()
    project = found[0] if found else registry.resources.create_project("quarter")
    return Application(
        uuid=uuid,
        name="Lights",
        project=project.id,
        owner=owner,
        confidential=True,
        redirect_uris=("https://b.example/", "https://a.example/"),
        logout_uris=(),
        grants=frozenset({"client_credentials"}),
        scopes=SCOPES,
        id_token_alg="ES256",
        created_at=NOW,
    )


def given(application: Application, account: int, **more: Any) -> Authorisation:
    return replace(Authorisation(application.id, account, SCOPES, NOW, None), **more)


# -- applications


def test_an_application_has_an_identity_that_no_person_can_have(
    registry: Registry, lights: Application
) -> None:
    user = registry.accounts.user_by_id(lights.account)
    assert user is not None
    assert (user.name, user.password_hash, user.admin) == ("app:11", None, False)
    assert registry.applications.application("11") == lights
    assert registry.applications.by_number(lights.id) == lights
    assert registry.applications.applications() == [lights]
    assert registry.applications.application("12") is None


def test_a_change_raises_the_version_and_shuts_its_identity_out(
    registry: Registry, lights: Application
) -> None:
    before = registry.version()
    changed = replace(lights, name="Night", disabled=True)
    registry.applications.change(changed)
    assert registry.applications.application("11") == changed
    assert registry.version() == before + 1
    user = registry.accounts.user_by_id(lights.account)
    assert user is not None and user.disabled


def test_what_is_removed_takes_everything_along(
    registry: Registry, lights: Application, maria: int
) -> None:
    registry.grants.put_grant(Grant(lights.account, ("1",), Level.READ))
    number = registry.authorisations.begin(given(lights, maria))
    registry.authorisations.put_consent(maria, lights.id, SCOPES)
    registry.applications.remove(lights)
    assert registry.applications.application("11") is None
    assert registry.applications.secrets(lights.id, NOW) == []
    assert registry.grants.grants() == []
    assert registry.authorisations.in_force(number, NOW) is None
    assert registry.authorisations.consent(maria, lights.id) == frozenset()


def test_secrets_overlap_and_end(registry: Registry, lights: Application) -> None:
    store = registry.applications
    store.rotate(lights.id, "second", NOW + 1, NOW + 100)
    assert [secret.digest for secret in store.secrets(lights.id, NOW + 2)] == [
        "digest of the first",
        "second",
    ]
    assert [secret.digest for secret in store.secrets(lights.id, NOW + 100)] == ["second"]
    store.rotate(lights.id, "third", NOW + 50, NOW + 60)
    kept = [(secret.digest, secret.expires_at) for secret in store.secrets(lights.id, NOW + 51)]
    assert kept == [("second", NOW + 60), ("third", None)]
    store.used(lights.id, store.secrets(lights.id, NOW + 51)[-1].id, NOW + 55)
    assert [secret.last_used_at for secret in store.secrets(lights.id, NOW + 70)] == [NOW + 55]
    found = store.application("11")
    assert found is not None and found.last_used_at == NOW + 55


@pytest.mark.parametrize(
    ("bound", "told"),
    [("APPLICATIONS_MAX", "change one"), ("APPLICATIONS_PER_PROJECT_MAX", "delete one")],
)
def test_applications_have_bounds(
    registry: Registry,
    lights: Application,
    maria: int,
    monkeypatch: pytest.MonkeyPatch,
    bound: str,
    told: str,
) -> None:
    monkeypatch.setattr(applications, bound, 1)
    with pytest.raises(Conflict, match=told):
        registry.applications.add(wanted(registry, maria, "12"), None)


def test_a_list_of_addresses_has_a_bound(registry: Registry, lights: Application) -> None:
    long = tuple(f"https://a.example/{'x' * 1_000}/{n}" for n in range(40))
    with pytest.raises(Conflict, match="shorten it"):
        registry.applications.change(replace(lights, redirect_uris=long))


def test_an_identity_needs_room_among_users(
    registry: Registry, lights: Application, maria: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applications, "USERS_MAX", 2)
    with pytest.raises(Conflict, match="no room for another identity"):
        registry.applications.add(wanted(registry, maria, "12"), None)


# -- authorisations


def test_an_authorisation_is_in_force_until_something_it_rests_on_ends(
    registry: Registry, lights: Application, maria: int
) -> None:
    store = registry.authorisations
    token = registry.accounts.add_token(maria, "digest", "sign-in", frozenset(), NOW + 500)
    one = given(lights, maria, session=token.id, amr=("pwd", "otp"), authenticated_at=NOW)
    number = store.begin(one)
    assert store.in_force(number, NOW) == replace(one, id=number)
    assert store.in_force(number, NOW + 500) is None, "its sign-in has expired"
    assert store.of_user(maria, NOW) == [replace(one, id=number)]
    short = store.begin(given(lights, maria, expires_at=NOW + 10))
    assert store.in_force(short, NOW + 9) is not None
    assert store.in_force(short, NOW + 10) is None
    registry.accounts.revoke_token(token.id)
    assert store.in_force(number, NOW) is None


def test_what_rests_on_a_sign_in_is_handed_over_to_the_next(
    registry: Registry, lights: Application, maria: int
) -> None:
    store, accounts = registry.authorisations, registry.accounts
    before, after, other = (
        accounts.add_token(maria, text, "sign-in", frozenset(), None).id for text in "abc"
    )
    mine = store.begin(given(lights, maria, session=before))
    elsewhere = store.begin(given(lights, maria, session=other))
    store.hand_over(before, after)
    accounts.revoke_token(before)
    assert store.in_force(mine, NOW) is not None
    accounts.revoke_token(after)
    assert store.in_force(mine, NOW) is None
    assert store.in_force(elsewhere, NOW) is not None


@pytest.mark.parametrize("whose", ["maria", "app:11"])
def test_an_authorisation_ends_with_who_is_disabled(
    registry: Registry, lights: Application, maria: int, whose: str
) -> None:
    number = registry.authorisations.begin(given(lights, maria))
    user = registry.accounts.user(whose)
    assert user is not None
    registry.accounts.change_user(user.id, disabled=True)
    assert registry.authorisations.in_force(number, NOW) is None
    registry.accounts.change_user(user.id, disabled=False)
    assert registry.authorisations.in_force(number, NOW) is not None


def test_to_end_one_raises_the_version_and_to_begin_one_does_not(
    registry: Registry, lights: Application, maria: int
) -> None:
    store, before = registry.authorisations, registry.version()
    number = store.begin(given(lights, maria, handle="h", refresh="one"))
    assert registry.version() == before
    assert store.turn(number, "one", "two") is True
    assert store.turn(number, "one", "three") is False
    assert registry.version() == before
    store.revoke(number)
    assert registry.version() == before + 1
    store.revoke(number)
    assert registry.version() == before + 1
    assert store.turn(number, "two", "three") is False
    found = store.by_handle("h")
    assert found is not None and found.revoked


def test_ended_ones_make_way_and_then_the_oldest(
    registry: Registry, lights: Application, maria: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorisations, "AUTHORISATIONS_PER_USER_MAX", 3)
    store = registry.authorisations
    first = store.begin(given(lights, maria, expires_at=NOW - 1))
    numbers = [store.begin(given(lights, maria)) for _ in range(4)]
    assert first not in numbers
    assert [one.id for one in store.of_user(maria, NOW)] == numbers[1:]


def test_what_an_application_has_for_itself_stands(
    registry: Registry, lights: Application, maria: int
) -> None:
    store = registry.authorisations
    assert store.standing(lights.id, lights.account) is None
    number = store.begin(given(lights, lights.account))
    found = store.standing(lights.id, lights.account)
    assert found is not None and found.id == number
    store.revoke(number)
    assert store.standing(lights.id, lights.account) is None


def test_consent_is_kept_and_withdrawn(
    registry: Registry, lights: Application, maria: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = registry.authorisations
    number = store.begin(given(lights, maria))
    store.put_consent(maria, lights.id, SCOPES)
    store.put_consent(maria, lights.id, SCOPES | {"write"})
    assert store.consent(maria, lights.id) == SCOPES | {"write"}
    assert store.withdraw(maria, lights.id) is True
    assert store.consent(maria, lights.id) == frozenset()
    assert store.in_force(number, NOW) is None
    assert store.withdraw(maria, lights.id) is False
    monkeypatch.setattr(authorisations, "CONSENTS_PER_USER_MAX", 0)
    with pytest.raises(Conflict, match="withdraw one"):
        store.put_consent(maria, lights.id, SCOPES)


def test_how_somebody_signed_in_is_kept_of_the_newest(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorisations, "SIGN_INS_NOTED_MAX", 2)
    for token in (1, 2, 3):
        registry.authorisations.note_sign_in(token, SignedIn(NOW + token, ("pwd",)))
    found = [registry.authorisations.signed_in(token) for token in (1, 2, 3)]
    assert found == [None, SignedIn(NOW + 2, ("pwd",)), SignedIn(NOW + 3, ("pwd",))]


# -- codes and devices


def code(application: Application, account: int, digest: str, expires_at: int) -> Code:
    return Code(
        digest, application.id, account, 7, "https://a.example/", SCOPES, "nonce", "challenge",
        NOW, ("pwd",), expires_at,
    )  # fmt: skip


def test_a_code_is_redeemed_once_and_a_second_time_ends_what_it_gave(
    registry: Registry, lights: Application, maria: int
) -> None:
    store = registry.authorisation_requests
    kept = code(lights, maria, "c", NOW + 60_000)
    store.add_code(kept)
    assert store.code("c") == kept
    number = store.redeem_code("c", given(lights, maria))
    assert number is not None
    assert store.code("c") == replace(kept, authorisation=number)
    assert registry.authorisations.in_force(number, NOW) is not None
    assert store.redeem_code("c", given(lights, maria)) is None
    assert registry.authorisations.in_force(number, NOW) is None
    assert store.redeem_code("unknown", given(lights, maria)) is None


def test_codes_have_a_bound_and_make_way_when_they_are_old(
    registry: Registry, lights: Application, maria: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = registry.authorisation_requests
    monkeypatch.setattr(requests, "CODES_MAX", 1)
    store.add_code(code(lights, maria, "first", NOW))
    with pytest.raises(Conflict, match="try again"):
        store.add_code(code(lights, maria, "second", NOW + 1_000))
    store.add_code(code(lights, maria, "third", NOW + 600_000))
    assert store.code("first") is None


def device(application: Application, digest: str, expires_at: int = NOW + 1_000) -> DeviceRequest:
    return DeviceRequest(digest, f"user {digest}", application.id, SCOPES, expires_at, 5)


def test_a_device_is_decided_on_once_and_redeemed_once(
    registry: Registry, lights: Application, maria: int
) -> None:
    store = registry.authorisation_requests
    asked = device(lights, "d")
    store.add_device(asked, NOW)
    assert store.device("d") == store.device_of_code("user d") == asked
    store.polled("d", NOW + 1, 10)
    decided = replace(
        asked, polled_at=NOW + 1, interval_s=10, account=maria, allowed=True,
        authenticated_at=NOW, amr=("pwd",),
    )  # fmt: skip
    assert store.decide(decided) is True
    assert store.decide(replace(decided, allowed=False)) is False
    assert store.device("d") == decided
    assert store.redeem_device("d", given(lights, maria)) is not None
    assert store.redeem_device("d", given(lights, maria)) is None


@pytest.mark.parametrize("bound", ["DEVICE_REQUESTS_MAX", "DEVICE_REQUESTS_PER_APPLICATION_MAX"])
def test_devices_have_bounds_and_make_way_when_they_are_old(
    registry: Registry, lights: Application, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    store = registry.authorisation_requests
    monkeypatch.setattr(requests, bound, 1)
    store.add_device(device(lights, "a"), NOW)
    with pytest.raises(Conflict, match="1 devices wait"):
        store.add_device(device(lights, "b"), NOW)
    store.add_device(device(lights, "b"), NOW + 1_000)
    assert store.device("a") is None


# -- keys


def test_signing_keys_are_kept_in_order_and_replaced(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, before = registry.signing_keys, registry.version()
    first, second, third = (SigningKey(f"k{n}", "ES256", "sealed", NOW + n) for n in range(3))
    store.add_signing_key(second)
    store.add_signing_key(first)
    assert store.signing_keys() == [first, second]
    assert registry.version() == before + 2
    monkeypatch.setattr(keys, "SIGNING_KEYS_MAX", 2)
    with pytest.raises(Conflict, match="retire the old ones"):
        store.add_signing_key(third)
    store.add_signing_key(third, ["k0", "k1"])
    assert store.signing_keys() == [third]


# -- services


def service(application: Application, release: str = "1", number: int = 0) -> Service:
    return Service(
        "22", application.id, application.project, "Report", "", "https://a.example", "",
        {"report.read": Level.READ}, release, NOW, number,
    )  # fmt: skip


def test_a_service_keeps_its_releases(registry: Registry, lights: Application) -> None:
    store = registry.services
    made = store.publish(service(lights), {"openapi": "3.1.0"})
    assert store.service("22") == made
    after = replace(
        service(lights, "2", made.id), base_url="https://b.example", published_at=NOW + 1
    )
    store.publish(after, {"openapi": "3.1.1"})
    assert store.services() == [after]
    found = [(one.release, one.openapi, one.base_url) for one in store.releases(made.id)]
    assert found == [
        ("2", {"openapi": "3.1.1"}, "https://b.example"),
        ("1", {"openapi": "3.1.0"}, "https://a.example"),
    ]
    with pytest.raises(Conflict, match="published already"):
        store.publish(after, {})
    assert store.services() == [after]


def test_a_service_goes_with_its_grants_or_with_its_application(
    registry: Registry, lights: Application, maria: int
) -> None:
    made = registry.services.publish(service(lights), {})
    for path in (made.path, (*made.path, "report.read"), (made.path[0], "220")):
        registry.grants.put_grant(Grant(maria, path, Level.READ))
    registry.services.remove(made)
    assert registry.services.service("22") is None
    assert [grant.path for grant in registry.grants.grants()] == [(made.path[0], "220")]
    again = registry.services.publish(replace(service(lights), uuid="23"), {})
    registry.applications.remove(lights)
    assert registry.services.service(again.uuid) is None


@pytest.mark.parametrize(
    ("bound", "most", "release", "told"),
    [
        ("SERVICES_MAX", 1, "1", "change one"),
        ("SERVICES_PER_APPLICATION_MAX", 1, "1", "publishes 1 services"),
        ("SERVICE_RELEASES_MAX", 1, "2", "publish it anew"),
        ("SERVICE_OPENAPI_BYTES_MAX", 1, "2", "shorten it"),
        ("SERVICE_SCOPES_BYTES_MAX", 1, "2", "shorten it"),
    ],
)
def test_services_have_bounds(
    registry: Registry,
    lights: Application,
    monkeypatch: pytest.MonkeyPatch,
    bound: str,
    most: int,
    release: str,
    told: str,
) -> None:
    made = registry.services.publish(service(lights), {"openapi": "3.1.0"})
    monkeypatch.setattr(services, bound, most)
    number = made.id if release == "2" else 0
    other = replace(service(lights, release, number), uuid="22" if number else "23")
    with pytest.raises(Conflict, match=told):
        registry.services.publish(other, {"openapi": "3.1.0"})
