"""Named keys over a real registry: what one key does, no other undoes."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ciaas.ports import Conflict, Missing
from ciaas.storage.registry import Registry, migrate, open_registry
from ciaas.storage.registry.keys import store as store_module
from ciaas.storage.registry.keys.store import NamedKeys as Store
from security.encryption.keyring import KeyRing
from security.encryption.named.named_keys import PURPOSE, KeyAtRest, KeyUseRefused, NamedKeys
from security.encryption.named.ports import NamedKey, Use
from security.limits import (
    KEY_CONTEXT_CHARS_MAX,
    KEY_INPUT_BYTES_MAX,
    KEY_VERSIONS_MAX,
    KEYS_PER_PROJECT_MAX,
)

NOW = 1_700_000_000_000


@dataclass
class Bench:
    ring: KeyRing
    registry: Registry
    keys: NamedKeys
    project: int
    user: int

    def key(self, name: str, use: Use = Use.ENCRYPT) -> NamedKey:
        return self.keys.create(self.project, name, use, self.user)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("named")
    migrate(folder / "registry.sqlite")
    ring = KeyRing.create(folder / "keys.json")
    with open_registry(folder / "registry.sqlite") as registry:
        user = registry.accounts.add_user("ada", None, True).id
        project = registry.resources.create_project("city").id
        keys = NamedKeys(registry.keys, ring.envelope(PURPOSE), lambda: NOW)
        yield Bench(ring, registry, keys, project, user)


@pytest.fixture(scope="module")
def seal(bench: Bench) -> NamedKey:
    return bench.key("seal")


@pytest.fixture(scope="module")
def signer(bench: Bench) -> NamedKey:
    return bench.key("signer", Use.SIGN)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(clear=st.binary(max_size=500), context=st.text(max_size=50))
def test_what_was_encrypted_opens_with_key_and_context(
    bench: Bench, seal: NamedKey, clear: bytes, context: str
) -> None:
    text = bench.keys.encrypt(seal, clear, context).output.decode()
    assert text.startswith("bor-enc.seal.1.")
    assert bench.keys.decrypt(seal, text, context) == (clear, 1)
    with pytest.raises(KeyUseRefused, match="another context, or is damaged"):
        bench.keys.decrypt(seal, text, context + "x")


def test_no_text_is_made_twice(bench: Bench, seal: NamedKey) -> None:
    texts = {bench.keys.encrypt(seal, b"same", "").output for _ in range(50)}
    assert len(texts) == 50


def test_earlier_versions_go_on_to_open_and_new_ones_are_made_by_the_newest(bench: Bench) -> None:
    key = bench.key("rotated")
    old = bench.keys.encrypt(key, b"old", "").output.decode()
    key = bench.keys.rotate(key)
    new = bench.keys.encrypt(key, b"new", "")
    assert [version.number for version in key.versions] == [1, 2] and new.version == 2
    assert bench.keys.decrypt(key, old, "") == (b"old", 1)
    with pytest.raises(KeyUseRefused, match="another context, or is damaged"):
        bench.keys.decrypt(key, old.replace(".1.", ".2.", 1), "")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda text: text[:-6] + "AAAAA=", "is damaged"),
        (lambda text: text[:30], "is damaged|no base64url"),
        (lambda text: text + "=", "no base64url"),
        (lambda text: text.replace("seal", "other", 1), "made by the key other, not by seal"),
        (lambda text: text.replace(".1.", ".7.", 1), "has no version 7"),
        (lambda text: text.replace("bor-enc", "bor-sig", 1), "no ciphertext of a named key"),
        (lambda text: "", "no ciphertext of a named key"),
        (lambda text: "bor-enc.seal.1.", "is damaged"),
        (lambda text: "bor-enc.seal." + "9" * 5_000 + ".AA==", "no ciphertext"),
    ],
)
def test_a_text_that_was_changed_does_not_open(
    bench: Bench, seal: NamedKey, spoil: Callable[[str], str], told: str
) -> None:
    text = bench.keys.encrypt(seal, b"secret", "").output.decode()
    with pytest.raises(KeyUseRefused, match=told):
        bench.keys.decrypt(seal, spoil(text), "")


def test_a_key_of_the_same_name_in_another_project_opens_nothing(
    bench: Bench, seal: NamedKey
) -> None:
    other = bench.registry.resources.create_project("other")
    text = bench.keys.encrypt(seal, b"secret", "").output.decode()
    namesake = bench.keys.create(other.id, "seal", Use.ENCRYPT, bench.user)
    with pytest.raises(KeyUseRefused, match="does not open"):
        bench.keys.decrypt(namesake, text, "")
    assert [key.project for key in bench.keys.named("seal")] == [bench.project, other.id]
    assert [key.name for key in bench.keys.keys([other.id])] == ["seal"]


def test_a_signature_is_of_the_message_and_checks_without_the_platform(
    bench: Bench, signer: NamedKey
) -> None:
    used = bench.keys.sign(signer, b"message")
    text = used.output.decode()
    assert bench.keys.verify(signer, b"message", text) == (True, 1)
    assert bench.keys.verify(signer, b"massage", text) == (False, 1)
    public = signer.current.public
    assert public is not None
    signature = base64.urlsafe_b64decode(text.rpartition(".")[2])
    Ed25519PublicKey.from_public_bytes(base64.b64decode(public)).verify(signature, b"message")
    rotated = bench.keys.rotate(signer)
    assert bench.keys.verify(rotated, b"message", text) == (True, 1)
    assert bench.keys.sign(rotated, b"message").version == 2
    assert bench.keys.verify(rotated, b"message", text.replace(".1.", ".2.", 1)) == (False, 2)


def test_a_key_serves_one_use(bench: Bench, seal: NamedKey, signer: NamedKey) -> None:
    with pytest.raises(KeyUseRefused, match="seal is there to encrypt, not to sign"):
        bench.keys.sign(seal, b"")
    with pytest.raises(KeyUseRefused, match="signer is there to sign, not to encrypt"):
        bench.keys.encrypt(signer, b"", "")
    with pytest.raises(KeyUseRefused, match="not to encrypt"):
        bench.keys.decrypt(signer, "", "")
    with pytest.raises(KeyUseRefused, match="not to sign"):
        bench.keys.verify(seal, b"", "")


def test_a_disabled_key_refuses_every_use_until_it_is_enabled(bench: Bench) -> None:
    key = bench.key("asleep")
    text = bench.keys.encrypt(key, b"secret", "").output.decode()
    key = bench.keys.disable(key, True)
    with pytest.raises(KeyAtRest, match="asleep is disabled"):
        bench.keys.encrypt(key, b"secret", "")
    with pytest.raises(KeyAtRest):
        bench.keys.decrypt(key, text, "")
    assert bench.keys.decrypt(bench.keys.disable(key, False), text, "").output == b"secret"


def test_inputs_are_bounded(bench: Bench, seal: NamedKey, signer: NamedKey) -> None:
    longest = bytes(KEY_INPUT_BYTES_MAX)
    text = bench.keys.encrypt(seal, longest, "c" * KEY_CONTEXT_CHARS_MAX).output.decode()
    assert bench.keys.decrypt(seal, text, "c" * KEY_CONTEXT_CHARS_MAX).output == longest
    with pytest.raises(KeyUseRefused, match="at most 65,536 bytes"):
        bench.keys.encrypt(seal, longest + b"x", "")
    with pytest.raises(KeyUseRefused, match="at most 1,024 characters"):
        bench.keys.encrypt(seal, b"", "c" * (KEY_CONTEXT_CHARS_MAX + 1))
    with pytest.raises(KeyUseRefused, match="at most 65,536 bytes"):
        bench.keys.sign(signer, longest + b"x")
    with pytest.raises(KeyUseRefused, match="at most 65,536 bytes"):
        bench.keys.verify(signer, longest + b"x", "")


def test_names_keys_and_versions_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (KEYS_PER_PROJECT_MAX, KEY_VERSIONS_MAX) == (1_000, 100)
    project = bench.registry.resources.create_project("small").id
    store = Store(bench.registry._database, per_project_max=2)
    keys = NamedKeys(store, bench.ring.envelope(PURPOSE), lambda: NOW)
    one = keys.create(project, "one", Use.ENCRYPT, bench.user)
    with pytest.raises(Conflict, match="has a key 'one' already"):
        keys.create(project, "one", Use.SIGN, bench.user)
    keys.create(project, "two", Use.ENCRYPT, bench.user)
    with pytest.raises(Conflict, match="has 2 keys already"):
        keys.create(project, "three", Use.ENCRYPT, bench.user)
    monkeypatch.setattr(store_module, "KEY_VERSIONS_MAX", 2)
    keys.rotate(one)
    with pytest.raises(Conflict, match="has 2 versions already"):
        keys.rotate(one)


def test_what_is_not_there_is_missing(bench: Bench) -> None:
    with pytest.raises(Missing):
        bench.keys.create(99, "seal", Use.ENCRYPT, bench.user)
    with pytest.raises(Missing):
        bench.registry.keys.disable(99, True)
    with pytest.raises(Missing):
        bench.registry.keys.add_version(99, NOW, lambda place: pytest.fail("nothing is made"))


def test_a_version_moved_to_another_row_opens_nothing(bench: Bench, seal: NamedKey) -> None:
    """Who can write the registry's file must not make one key of another."""
    from dataclasses import replace

    thief = bench.key("thief")
    moved = replace(thief, versions=(replace(thief.current, sealed=seal.current.sealed),))
    with pytest.raises(Exception, match="does not open"):
        bench.keys.encrypt(moved, b"secret", "")


def test_no_secret_key_is_shown(bench: Bench, seal: NamedKey) -> None:
    assert seal.current.sealed not in repr(seal)
