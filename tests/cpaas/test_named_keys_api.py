"""Encryption as a service over HTTP: who may use a key, what the record says, what is refused."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from cpaas.access.routes.security import keys as routes
from security.aaa.levels import Level
from security.encryption.named.named_keys import PURPOSE
from security.encryption.named.ports import Use
from security.limits import KEY_CONTEXT_CHARS_MAX, KEY_INPUT_BYTES_MAX
from tests.cpaas.conftest import House

CANARY = b"a secret that leaves no trace"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def made(house: House, name: str, use: str = "encrypt", **query: str) -> Any:
    body = {"name": name, "use": use}
    answer = house.client().post("/keys", json=body, params={"project": "city", **query})
    assert answer.status_code == 201, answer.text
    return answer.json()


def grant(house: House, user: str, key: str, level: str) -> None:
    body = {"user": user, "prefix": f"key:city/{key}", "level": level}
    assert house.client().put("/grants", json=body).status_code == 204


def uses(client: httpx.Client, key: str, signer: str) -> dict[str, int]:
    """Return the status of every use of a key, and of one that signs."""
    answers = {
        "see": client.get(f"/keys/{key}"),
        "encrypt": client.post(f"/keys/{key}/encrypt", json={"plaintext": b64(b"x")}),
        "decrypt": client.post(f"/keys/{key}/decrypt", json={"ciphertext": "x"}),
        "sign": client.post(f"/keys/{signer}/sign", json={"message": b64(b"x")}),
        "verify": client.post(
            f"/keys/{signer}/verify", json={"message": b64(b"x"), "signature": "x"}
        ),
        "rotate": client.post(f"/keys/{key}/rotate"),
        "disable": client.patch(f"/keys/{key}", json={"disabled": False}),
    }
    return {use: answer.status_code for use, answer in answers.items()}


def test_a_text_goes_out_sealed_and_comes_back(house: House) -> None:
    entry = made(house, "parking")
    assert entry["project"] == "city" and entry["permission"] == "OWN"
    client = house.client()
    body = {"plaintext": b64(CANARY), "context": "row 7"}
    sealed = client.post("/keys/parking/encrypt", json=body).json()
    assert sealed["version"] == 1 and sealed["ciphertext"].startswith("bor-enc.parking.1.")
    body = {"ciphertext": sealed["ciphertext"], "context": "row 7"}
    opened = client.post("/keys/parking/decrypt", json=body).json()
    assert base64.b64decode(opened["plaintext"]) == CANARY
    rotated = client.post("/keys/parking/rotate").json()
    assert [version["version"] for version in rotated["versions"]] == [1, 2]
    assert client.post("/keys/parking/decrypt", json=body).json()["version"] == 1
    wrong = client.post("/keys/parking/decrypt", json=body | {"context": "row 8"})
    assert wrong.status_code == 422 and "another context" in wrong.json()["detail"]


def test_a_signature_is_checked_here_and_by_the_public_key(house: House) -> None:
    public = made(house, "notary", "sign")["versions"][0]["public"]
    assert len(base64.b64decode(public)) == 32
    client = house.client()
    signed = client.post("/keys/notary/sign", json={"message": b64(b"deed")}).json()
    body = {"message": b64(b"deed"), "signature": signed["signature"]}
    assert client.post("/keys/notary/verify", json=body).json() == {"valid": True, "version": 1}
    body["message"] = b64(b"dead")
    assert client.post("/keys/notary/verify", json=body).json()["valid"] is False


@pytest.mark.parametrize(
    ("level", "allowed"),
    [
        ("BROWSE", {"see", "verify"}),
        ("READ", {"see", "verify", "decrypt"}),
        ("WRITE", {"see", "verify", "decrypt", "encrypt", "sign"}),
        ("CONFIGURE", {"see", "verify", "decrypt", "encrypt", "sign", "rotate", "disable"}),
    ],
)
def test_each_level_allows_its_uses(shared_house: House, level: str, allowed: set[str]) -> None:
    name = f"key-{level.lower()}"
    made(shared_house, name)
    made(shared_house, f"{name}-sign", "sign")
    client = shared_house.user(f"user-{level}")
    assert set(uses(client, name, f"{name}-sign").values()) == {404}
    for key in (name, f"{name}-sign"):
        grant(shared_house, f"user-{level}", key, level)
    found = uses(client, name, f"{name}-sign")
    assert {use for use, status in found.items() if status != 403} == allowed
    assert 404 not in found.values()
    assert [entry["permission"] for entry in client.get("/keys").json()] == [level, level]


@pytest.mark.parametrize("level", [Level.READ, Level.WRITE, Level.CONFIGURE, Level.GRANT])
def test_what_is_granted_on_a_project_gives_nothing_on_its_keys(
    shared_house: House, level: Level
) -> None:
    name = f"closed-{level.name.lower()}"
    made(shared_house, name)
    made(shared_house, f"{name}-sign", "sign")
    client = shared_house.user(f"reader-{level.name}", {"project:city": level.name})
    assert set(uses(client, name, f"{name}-sign").values()) == {404}
    assert client.get("/keys").json() == []
    body = {"user": f"reader-{level.name}", "prefix": f"key:city/{name}", "level": "READ"}
    assert client.put("/grants", json=body).status_code == 404


def test_nobody_comes_to_a_key_by_a_group_that_holds_it(shared_house: House) -> None:
    made(shared_house, "grouped")
    admin = shared_house.client()
    admin.post("/groups", json={"name": "key-readers"})
    body = {"group": "key-readers", "prefix": "key:city/grouped", "level": "READ"}
    assert admin.put("/grants", json=body).status_code == 204
    chief = shared_house.user("chief", {"project:city": "GRANT"})
    assert chief.get("/groups").json() == []
    assert chief.put("/groups/key-readers/members/chief").status_code == 404
    body = {"group": "key-readers", "prefix": "project:city", "level": "READ"}
    assert chief.put("/grants", json=body).status_code == 204
    assert chief.put("/groups/key-readers/members/chief").status_code == 403
    assert chief.get("/keys/grouped").status_code == 404
    grant(shared_house, "chief", "grouped", "GRANT")
    assert chief.put("/groups/key-readers/members/chief").status_code == 204


def test_a_key_is_given_on_no_longer_than_it_is_held(
    shared_house: House,
) -> None:
    made(shared_house, "lent")
    shared_house.user("heir")
    lender = shared_house.user("lender", {"project:city": "GRANT"})
    key, until = {"prefix": "key:city/lent"}, {"until": "2099-01-01T00:00:00Z"}
    held = {"user": "lender", **key, **until, "level": "GRANT"}
    assert shared_house.client().put("/grants", json=held).status_code == 204
    body = {"user": "heir", **key, "level": "READ"}
    assert lender.put("/grants", json=body).status_code == 403
    later = {"until": "2099-01-02T00:00:00Z"}
    assert lender.put("/grants", json=body | later).status_code == 403
    assert lender.put("/grants", json=body | until).status_code == 204


def test_the_owner_of_a_project_holds_its_keys(shared_house: House) -> None:
    made(shared_house, "owned")
    made(shared_house, "owned-sign", "sign")
    client = shared_house.user("project-owner", {"project:city": "OWN"})
    assert not {403, 404} & set(uses(client, "owned", "owned-sign").values())
    grant(shared_house, "project-owner", "owned", "DENY")
    assert client.get("/keys/owned").status_code == 404


def test_who_makes_a_key_owns_it_and_gives_it_on(shared_house: House) -> None:
    maker = shared_house.user("maker", {"project:city": "CONFIGURE"})
    body = {"name": "made-here", "use": "encrypt"}
    assert maker.post("/keys", json=body).json()["permission"] == "OWN"
    friend = shared_house.user("friend")
    prefix = "key:city/made-here"
    body = {"user": "friend", "prefix": prefix, "level": "READ"}
    assert maker.put("/grants", json=body).status_code == 204
    assert friend.get("/keys/made-here").json()["permission"] == "READ"
    assert friend.put("/grants", json=body).status_code == 403
    assert {"user": "friend", "prefix": prefix, "level": "READ"} in [
        {name: entry[name] for name in ("user", "prefix", "level") if name in entry}
        for entry in maker.get("/grants").json()
    ]
    gone = maker.delete("/grants", params={"user": "friend", "prefix": prefix})
    assert gone.status_code == 204
    assert friend.get("/keys/made-here").status_code == 404


def test_a_key_may_only_be_made_by_who_configures_the_project(shared_house: House) -> None:
    writer = shared_house.user("only-writer", {"project:city": "WRITE"})
    body = {"name": "not-mine", "use": "encrypt"}
    assert writer.post("/keys", json=body, params={"project": "city"}).status_code == 403


@pytest.mark.parametrize("name", ["ring", "rotate", "Upper", "-a", "", "a/b", "a" * 64])
def test_what_can_be_no_name_is_refused(shared_house: House, name: str) -> None:
    answer = shared_house.client().post("/keys", json={"name": name, "use": "sign"})
    assert answer.status_code == 422


def test_a_disabled_key_says_so(shared_house: House) -> None:
    made(shared_house, "asleep")
    client = shared_house.client()
    assert client.patch("/keys/asleep", json={"disabled": True}).json()["disabled"] is True
    answer = client.post("/keys/asleep/encrypt", json={"plaintext": ""})
    assert answer.status_code == 409 and "is disabled" in answer.json()["detail"]


def test_two_projects_with_a_key_of_one_name_are_told_apart(shared_house: House) -> None:
    shared_house.project("twin")
    made(shared_house, "twice")
    made(shared_house, "twice", project="twin")
    client = shared_house.client()
    assert client.get("/keys/twice").status_code == 422
    found = client.get("/keys/twice", params={"project": "twin"}).json()
    assert found["project"] == "twin"
    named = [e["project"] for e in client.get("/keys").json() if e["name"] == "twice"]
    assert named == ["city", "twin"]
    alone = client.get("/keys", params={"project": "twin"}).json()
    assert [entry["name"] for entry in alone] == ["twice"]
    taken = client.post("/keys", params={"project": "twin"}, json={"name": "twice", "use": "sign"})
    assert taken.status_code == 409


def test_inputs_are_bounded_and_what_is_no_base64_is_said(shared_house: House) -> None:
    made(shared_house, "bounded")
    made(shared_house, "bounded-sign", "sign")
    client = shared_house.client()
    longest = b64(bytes(KEY_INPUT_BYTES_MAX))
    body = {"plaintext": longest, "context": "c" * KEY_CONTEXT_CHARS_MAX}
    sealed = client.post("/keys/bounded/encrypt", json=body).json()
    body = {"ciphertext": sealed["ciphertext"], "context": "c" * KEY_CONTEXT_CHARS_MAX}
    assert client.post("/keys/bounded/decrypt", json=body).json()["plaintext"] == longest
    assert len(sealed["ciphertext"]) <= routes._OUTPUT_CHARS_MAX
    too_long = {"plaintext": b64(bytes(KEY_INPUT_BYTES_MAX + 3))}
    assert client.post("/keys/bounded/encrypt", json=too_long).status_code == 422
    body = {"ciphertext": "x" * (routes._OUTPUT_CHARS_MAX + 1)}
    assert client.post("/keys/bounded/decrypt", json=body).status_code == 422
    for text in ("ä", "a", "a b="):
        answer = client.post("/keys/bounded-sign/sign", json={"message": text})
        assert answer.status_code == 422 and "no base64" in answer.json()["detail"]


def test_every_use_is_in_the_record_and_no_text_is(house: House) -> None:
    made(house, "watched")
    client = house.client()
    body = {"plaintext": b64(CANARY), "context": "told to nobody"}
    sealed = client.post("/keys/watched/encrypt", json=body).json()
    body = {"ciphertext": sealed["ciphertext"], "context": "told to nobody"}
    client.post("/keys/watched/decrypt", json=body)
    refused = house.user("eve").post("/keys/watched/decrypt", json=body)
    assert refused.status_code == 404
    entries = [e for e in house.recorded() if "/keys/watched/" in str(e.get("path", e))]
    told = [(e["status"], e.get("about", e)) for e in entries]
    assert [(status, e.get("key"), e.get("version")) for status, e in told] == [
        (200, "watched", 1),
        (200, "watched", 1),
        (404, None, None),
    ]
    text = str(house.recorded())
    assert b64(CANARY) not in text and sealed["ciphertext"] not in text
    assert CANARY.decode() not in text and "told to nobody" not in text


# -- the ring


def test_a_rotation_by_the_api_is_followed_to_its_end(house: House) -> None:
    made(house, "before")
    client = house.client()
    sealed = client.post("/keys/before/encrypt", json={"plaintext": b64(CANARY)}).json()
    before = client.get("/keys/ring").json()
    assert (before["version"], before["unlock"]) == (1, "file")
    rotated = client.post("/keys/rotate")
    assert rotated.status_code == 202 and rotated.json()["version"] == 2
    ring = client.get("/keys/ring").json()
    while not ring["rewrap"]["done"]:
        ring = client.get("/keys/ring").json()
    assert [(v["version"], v["current"], v["secrets"]) for v in ring["versions"]] == [
        (1, False, 0),
        (2, True, 1),
    ]
    assert ring["rewrap"]["rewrapped"] == 1 and ring["rewrap"]["failed"] == 0
    assert client.delete("/keys/ring/2").status_code == 409
    assert client.delete("/keys/ring/7").status_code == 404
    left = client.delete("/keys/ring/1").json()
    assert [version["version"] for version in left["versions"]] == [2]
    body = {"ciphertext": sealed["ciphertext"]}
    opened = client.post("/keys/before/decrypt", json=body).json()
    assert base64.b64decode(opened["plaintext"]) == CANARY


def test_a_version_is_kept_while_something_may_lie_under_it(house: House) -> None:
    key = house.city.keys.named.create(1, "stuck", Use.ENCRYPT, 1)
    column = next(c for c in house.registry.sealed if c.purpose == PURPOSE)
    stuck = next(s for s in column.page("", 100) if s.text == key.current.sealed)
    column.replace([(stuck, stuck.text[:-8] + "AAAAAAA=")])
    client = house.client()
    client.post("/keys/rotate")
    ring = client.get("/keys/ring").json()
    while not ring["rewrap"]["done"]:
        ring = client.get("/keys/ring").json()
    assert ring["rewrap"]["failed"] == 1
    assert ring["rewrap"]["failures"] == [f"{column.purpose}: {stuck.key}"]
    refused = client.delete("/keys/ring/1")
    assert refused.status_code == 409 and column.purpose in refused.json()["detail"]


def test_who_may_use_a_key_is_told_as_it_is(shared_house: House) -> None:
    made(shared_house, "asked-about")
    shared_house.user("reads-all", {"project:city": "GRANT"})
    shared_house.user("owns-all", {"project:city": "OWN"})
    shared_house.user("uses-it")
    grant(shared_house, "uses-it", "asked-about", "READ")
    client = shared_house.client()
    prefix = "key:city/asked-about"
    listed = client.get("/rights", params={"prefix": prefix}).json()
    told = {entry["subject"]: entry["level"] for entry in listed}
    assert told["uses-it"] == "READ" and told["owns-all"] == "OWN"
    assert "reads-all" not in told
    query = {"subject": "reads-all", "address": prefix, "action": "read"}
    why = client.get("/rights/why", params=query).json()
    assert (why["allowed"], why["level"], why["decides"]) == (False, "DENY", [])
    assert [entry["prefix"] for entry in why["overruled"]] == ["project:city"]
    own = {"address": prefix, "action": "read"}
    user = shared_house.user("uses-it-too")
    assert user.get("/rights/why", params=own).status_code == 404
    grant(shared_house, "uses-it-too", "asked-about", "READ")
    assert user.get("/rights/why", params=own).json()["allowed"] is True
