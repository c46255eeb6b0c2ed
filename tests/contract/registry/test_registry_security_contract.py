"""What every backend of the stores that `security.ports` declares keeps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ciaas.ports import Conflict, Endpoint, Missing
from ciaas.storage.registry import Registry
from security.aaa.levels import Level
from security.ports import CertificateEntry, Grant, ProvisionEntry, Taken


def test_users_are_added_found_and_changed(registry: Registry) -> None:
    accounts = registry.accounts
    ada, bot = accounts.add_user("ada", "$argon2id$x", True), accounts.add_user("bot", None, False)
    assert accounts.users() == [ada, bot]
    assert accounts.user("ada") == accounts.user_by_id(ada.id) == ada
    assert accounts.user("eve") is accounts.user_by_id(99) is None
    with pytest.raises(Taken, match="'ada' exists already"):
        accounts.add_user("ada", None, False)
    changed = accounts.change_user(ada.id, password_hash="$argon2id$y")
    assert changed == replace(ada, password_hash="$argon2id$y")
    assert accounts.change_user(ada.id, disabled=True) == replace(changed, disabled=True)
    assert accounts.change_user(ada.id, disabled=False) == accounts.user("ada") == changed
    with pytest.raises(Missing, match="no user 99"):
        accounts.change_user(99, disabled=True)


def test_tokens_are_found_by_digest_and_revoked(registry: Registry) -> None:
    accounts = registry.accounts
    user = accounts.add_user("ada", None, False).id
    made = accounts.add_token(user, "digest", "laptop", frozenset({"read", "write"}), 5)
    assert accounts.token("digest") == made
    assert (made.user, made.scopes, made.expires_at) == (user, frozenset({"read", "write"}), 5)
    assert accounts.token("other") is None
    other = accounts.add_token(user, "second", "", frozenset(), None)
    accounts.revoke_token(made.id)
    accounts.revoke_token(made.id)
    assert accounts.tokens(user) == [replace(made, revoked=True), other]
    with pytest.raises(Taken):
        accounts.add_token(user, "digest", "", frozenset(), None)
    with pytest.raises(Missing, match="no user 99"):
        accounts.add_token(99, "third", "", frozenset(), None)
    with pytest.raises(Missing, match="no token 99"):
        accounts.revoke_token(99)


def test_the_set_up_digest_is_put_and_taken_away(registry: Registry) -> None:
    assert registry.accounts.set_up_digest() is None
    registry.accounts.put_set_up_digest("digest")
    assert registry.accounts.set_up_digest() == "digest"
    registry.accounts.put_set_up_digest(None)
    assert registry.accounts.set_up_digest() is None


def test_grants_are_put_replaced_and_removed(registry: Registry) -> None:
    user = registry.accounts.add_user("ada", None, False).id
    grants = registry.grants
    everything, lamp = Grant(user, (), Level.BROWSE), Grant(user, ("1", "uuid", "n"), Level.READ)
    version, *_ = grants.grants_changed(0)
    grants.put_grant(lamp)
    grants.put_grant(everything)
    assert grants.grants() == [everything, lamp]
    assert grants.grants_changed(version) == (version + 2, [lamp, everything], [])
    grants.put_grant(replace(lamp, level=Level.WRITE))
    assert grants.remove_grant(user, ("1", "uuid")) is False
    assert grants.remove_grant(user, ()) is True
    assert grants.remove_grant(user, ()) is False
    assert grants.grants() == [replace(lamp, level=Level.WRITE)]
    assert grants.grants_changed(version + 2) == (
        version + 4,
        [replace(lamp, level=Level.WRITE)],
        [everything],
    )
    grants.put_grant(everything)
    assert grants.grants_changed(version + 4) == (version + 5, [everything], [])
    with pytest.raises(Missing, match="no user 99"):
        grants.put_grant(Grant(99, (), Level.READ))


def test_two_paths_of_a_grant_are_never_one(registry: Registry) -> None:
    user = registry.accounts.add_user("ada", None, False).id
    for path in (("1/2",), ("",), ("1", "")):
        with pytest.raises(AssertionError):
            registry.grants.put_grant(Grant(user, path, Level.OWN))


def test_certificates_are_kept_by_serial(registry: Registry, endpoint: Endpoint) -> None:
    store = registry.certificates
    first = CertificateEntry("0a", endpoint.uuid, "f1", 10)
    second = CertificateEntry("0b", endpoint.uuid, "f2", 20)
    store.add_certificate(first)
    store.add_certificate(second)
    with pytest.raises(Conflict, match="serial 0a"):
        store.add_certificate(replace(second, serial="0a"))
    store.revoke_certificate("0a")
    store.revoke_certificate("0a")
    denied = store.certificate("0a")
    assert denied is not None and denied.revoked_at is not None
    assert denied == replace(first, revoked=True, revoked_at=denied.revoked_at)
    assert store.certificates(endpoint.uuid) == [denied, second]
    assert store.certificate("0c") is None
    with pytest.raises(Missing, match="no certificate 0c"):
        store.revoke_certificate("0c")


def test_a_denied_certificate_has_no_successor(registry: Registry, endpoint: Endpoint) -> None:
    store = registry.certificates
    first = CertificateEntry("0a", endpoint.uuid, "f1", 10)
    store.add_certificate(first)
    other = registry.resources.create_endpoint(endpoint.project, "other", {})
    with pytest.raises(Missing, match="renews nothing"):
        store.add_certificate(replace(first, serial="0b", endpoint=other.uuid), predecessor="0a")
    store.add_certificate(replace(first, serial="0b"), predecessor="0a")
    store.revoke_certificate("0a")
    for predecessor in ("0a", "0f"):
        with pytest.raises(Missing, match="renews nothing"):
            store.add_certificate(replace(first, serial="0c"), predecessor=predecessor)
    assert store.certificate("0c") is None


def test_all_certificates_of_an_endpoint_are_denied_at_once(
    registry: Registry, endpoint: Endpoint
) -> None:
    store = registry.certificates
    other = registry.resources.create_endpoint(endpoint.project, "other", {})
    far = 9_000_000_000_000
    for serial, uuid, ends in (
        ("0a", endpoint.uuid, far),
        ("0b", endpoint.uuid, 1),
        ("0c", endpoint.uuid, far),
        ("0d", other.uuid, far),
    ):
        store.add_certificate(CertificateEntry(serial, uuid, "f", ends))
    store.revoke_certificate("0c")
    version = registry.version()
    assert store.revoke_certificates(endpoint.uuid) == 1, "0b has ended, 0c was denied before"
    assert registry.version() == version + 1
    assert store.revoke_certificates(endpoint.uuid) == 0
    assert registry.version() == version + 1
    assert all(one.revoked_at for one in store.certificates(endpoint.uuid))
    assert not store.certificates(other.uuid)[0].revoked


def test_a_token_and_its_certificate_are_one_change(registry: Registry, endpoint: Endpoint) -> None:
    store = registry.certificates
    token = ProvisionEntry("digest", endpoint.uuid, 1_000, {})
    issued = CertificateEntry("0a", endpoint.uuid, "f1", 10)
    store.put_provision(token)
    assert store.take_provision("other", 0, issued) is None
    assert store.take_provision("digest", 1_000, issued) is None
    assert store.certificate("0a") is None
    store.put_provision(token)
    assert store.take_provision("digest", 0, issued) == token
    assert store.certificate("0a") == issued
    store.put_provision(token)
    with pytest.raises(Conflict, match="serial 0a"):
        store.take_provision("digest", 0, issued)
    assert store.provision("digest") == token, "what was not used stays"


def test_a_provision_token_is_taken_once_and_before_it_expires(
    registry: Registry, endpoint: Endpoint
) -> None:
    store = registry.certificates
    first = ProvisionEntry("first", endpoint.uuid, 1_000, {"a": {"b": 1}})
    store.put_provision(first)
    second = replace(first, digest="second")
    store.put_provision(second)
    assert store.take_provision("first", 0) is None, "replaced by the second"
    assert store.take_provision("second", 999) == second
    assert store.take_provision("second", 999) is None
    store.put_provision(first)
    assert store.take_provision("first", 1_000) is None
    assert store.take_provision("first", 999) is None, "an expired token is gone for good"
    other = registry.resources.create_endpoint(endpoint.project, "other", {})
    store.put_provision(first)
    with pytest.raises(Conflict, match="draw another"):
        store.put_provision(replace(first, endpoint=other.uuid))
    assert store.take_provision("first", 0) == first
