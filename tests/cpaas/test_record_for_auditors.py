"""The record as auditors read it: whose it is, searched, exported and proved."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from borough.audit_verify import Bad, verify, verify_export, verify_proof
from cpaas.access.answers.documents import rfc3339
from cpaas.access.routes.assurance import record as record_routes
from security.aaa.tokens import Scope
from security.limits import PROOF_BYTES_MAX
from tests.cpaas.conftest import House

T = 1_700_000_000


@pytest.fixture
def towns(house: House) -> dict[str, str]:
    """A point of each of two projects."""
    house.project("water")
    found = {}
    for name in ("city", "water"):
        uuid = house.endpoint(name, name)
        found[name] = f"{uuid}/A/b/c"
        assert house.observe((found[name], 1.0, T)).is_success
    return found


def project_of(house: House, name: str) -> int:
    return next(p.id for p in house.registry.resources.projects() if p.name == name)


def lines(house: House, **wanted: Any) -> list[dict[str, Any]]:
    found = house.record.read(0, 10_000)
    return [e for e in found if all(e.get(key) == value for key, value in wanted.items())]


def test_each_project_has_the_lines_that_are_about_it(house: House, towns: dict[str, str]) -> None:
    city, water = project_of(house, "city"), project_of(house, "water")
    house.client().get(f"/data/{towns['water']}")
    house.client().get(f"/history/{towns['city']}")
    house.client().get("/account")
    newest = lines(house)[-3:]
    assert [entry["chain"] for entry in newest] == [water, city, 0]
    for chain in (0, city, water):
        numbers = [entry["cseq"] for entry in lines(house, chain=chain)]
        assert numbers == list(range(1, len(numbers) + 1))


def test_who_reads_of_several_leaves_a_line_in_each_with_its_own_points(
    house: House, towns: dict[str, str]
) -> None:
    city, water = project_of(house, "city"), project_of(house, "water")
    house.client().get("/history", params={"address": list(towns.values())})
    whole, *parts = lines(house)[-3:]
    assert (whole["chain"], whole["about"]["count"], "points" in whole["about"]) == (0, 2, False)
    assert {part["chain"] for part in parts} == {city, water}
    for part in parts:
        name = "city" if part["chain"] == city else "water"
        point = house.registry.resources.point(towns[name])  # type: ignore[arg-type] # as text
        assert (part["about"]["points"], part["about"]["count"]) == (str(point.id), 1)
        assert "query" not in part, "it names the points of others"
    for name, address in towns.items():
        told = house.client().get(f"/accesses/{address}").json()
        assert [entry["verb"] for entry in told] == ["GET", "POST"], name


def test_who_is_refused_is_told_to_the_owner(house: House, towns: dict[str, str]) -> None:
    stranger = house.user("stranger")
    assert stranger.get(f"/data/{towns['water']}").status_code == 404
    told = house.client().get("/record", params={"project": "water", "refused": True}).json()
    assert [(e["who"], e["status"], e["act"]) for e in told] == [("stranger", 404, "read")]


def test_reading_the_record_is_a_right_of_its_own(house: House, towns: dict[str, str]) -> None:
    reader = house.user("reader", {"project:water": "GRANT"})
    assert reader.get("/record", params={"project": "water"}).status_code == 404
    assert reader.get("/record").status_code == 403
    auditor = house.user("auditor", {"record:water": "READ"})
    found = auditor.get("/record").json()
    assert {entry["chain"] for entry in found} == {project_of(house, "water")}
    assert all("seq" not in entry and "prev" not in entry for entry in found)
    assert auditor.get(f"/data/{towns['water']}").status_code == 404, "an auditor reads no data"
    for foreign in ("city", "platform", "nowhere"):
        for path in ("/record", "/record/export"):
            assert auditor.get(path, params={"project": foreign}).status_code == 404
        assert auditor.get(f"/record/{foreign}/1/proof").status_code == 404
    narrow = house.user("narrow", {"record:water": "READ"}, frozenset({Scope.READ}))
    assert narrow.get("/record").status_code == 403
    granted = house.client().get("/grants").json()
    assert {"user": "auditor", "prefix": "record:water"}.items() <= next(
        g for g in granted if g.get("user") == "auditor"
    ).items()
    owner = house.user("owner", {"project:water": "OWN"})
    assert owner.get("/record").is_success
    body = {"user": "reader", "prefix": "record:water", "level": "READ"}
    assert reader.put("/grants", json=body).status_code in (403, 404)
    assert owner.put("/grants", json=body).status_code == 204
    assert reader.get("/record").is_success
    taken = owner.delete("/grants", params={"user": "reader", "prefix": "record:water"})
    assert taken.status_code == 204
    assert reader.get("/record").status_code == 403


def test_nobody_comes_to_a_record_by_a_group_that_holds_it(
    house: House, towns: dict[str, str]
) -> None:
    admin, grant = house.client(), {"group": "auditors", "prefix": "record:water"}
    admin.post("/groups", json={"name": "auditors"})
    assert admin.put("/grants", json={**grant, "level": "READ"}).status_code == 204
    chief = house.user("chief", {"project:water": "GRANT"})
    house.grant("chief", "record:water", "GRANT")
    assert chief.put("/groups/auditors/members/chief").status_code == 404
    taken = admin.delete("/grants", params={"user": "chief", "prefix": "record:water"})
    assert taken.status_code == 204
    assert chief.get("/groups").json() == []
    assert chief.put("/groups/auditors/members/chief").status_code == 404
    assert chief.get("/record", params={"project": "water"}).status_code == 404
    assert "record:water" not in [one["prefix"] for one in chief.get("/grants").json()]
    owner = house.user("owner", {"project:water": "OWN"})
    assert "record:water" in [one["prefix"] for one in owner.get("/grants").json()]
    assert owner.put("/groups/auditors/members/chief").status_code == 204
    assert chief.get("/record", params={"project": "water"}).is_success


def test_why_tells_who_may_audit(house: House, towns: dict[str, str]) -> None:
    house.user("auditor", {"record:water": "READ"})
    owner = house.user("owner", {"project:water": "OWN"})
    chief = house.user("chief", {"project:water": "GRANT"})
    asked = {"address": "record:water", "action": "read"}
    why = chief.get("/rights/why", params=asked).json()
    assert (why["allowed"], why["level"], why["decides"]) == (False, "DENY", [])
    assert why["overruled"] == [{"prefix": "project:water", "level": "GRANT"}]
    for name, allowed in {"auditor": True, "owner": True, "chief": False}.items():
        why = owner.get("/rights/why", params={**asked, "subject": name}).json()
        assert why["allowed"] is allowed, name
    listed = owner.get("/rights", params={"prefix": "record:water"}).json()
    assert {"auditor", "owner"} <= (names := {one["subject"] for one in listed})
    assert "chief" not in names
    assert house.user("stranger").get("/rights/why", params=asked).status_code == 404


def test_it_is_searched_by_who_where_when_and_what(house: House, towns: dict[str, str]) -> None:
    anna = house.user("anna", {"project:water": "READ"})
    anna.get(f"/data/{towns['water']}")
    anna.put(f"/data/{towns['water']}", params={"value": 1})
    admin = house.client()

    def ask(**asked: object) -> list[tuple[str, str]]:
        found = admin.get("/record", params={"project": "water", **asked})  # type: ignore[dict-item] # httpx takes what str() takes
        assert found.is_success, found.text
        return [(entry["who"], entry["act"]) for entry in found.json()]

    assert ask(subject="anna") == [("anna", "command"), ("anna", "read")]
    assert ask(act="command") == [("anna", "command")]
    assert ask(act="write") == [("local-automation", "write")]
    assert ask(address=towns["water"]) == [("anna", "read"), ("local-automation", "write")]
    assert ask(**{"from": "2099-01-01T00:00:00"}) == []
    assert ask(subject="anna", refused=False) == [("anna", "read")]
    answer = admin.get("/record", params={"project": "water", "address": towns["city"]})
    assert answer.status_code == 404
    assert admin.get("/record", params={"act": "nothing"}).status_code == 422
    first = admin.get("/record", params={"project": "water", "limit": 2}).json()
    before = first[-1]["cseq"]
    rest = admin.get("/record", params={"project": "water", "before": before}).json()
    assert [e["cseq"] for e in first + rest] == list(range(before + 1, 0, -1))


@pytest.fixture
def key(house: House, tmp_path: Path) -> Path:
    path = tmp_path / "auditor.pub"
    path.write_bytes(house.client().get("/record/key").content)
    return path


def test_an_export_is_verified_with_the_key_alone(
    house: House, towns: dict[str, str], tmp_path: Path, key: Path
) -> None:
    for _ in range(5):
        house.client().get(f"/data/{towns['water']}")
    house.seal()
    auditor = house.user("auditor", {"record:water": "READ"})
    answer = auditor.get("/record/export")
    assert answer.headers["content-type"] == "application/x-ndjson"
    path = tmp_path / "export.jsonl"
    path.write_bytes(answer.content)
    chain = project_of(house, "water")
    assert verify_export(path, key).startswith(f"in order: records 1 to 7 of chain {chain}")
    told = house.recorded()[-1]
    assert (told["path"], told["about"]["exported"]) == ("/api/v1/record/export", "1-7")
    empty = auditor.get("/record/export", params={"from": "2099-01-01T00:00:00"})
    path.write_bytes(empty.content)
    assert verify_export(path, key).startswith("in order: no record")


def test_a_slice_of_time_is_whole_too(
    house: House,
    towns: dict[str, str],
    tmp_path: Path,
    key: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(record_routes, "EXPORT_STEP", 2)
    for _ in range(5):
        house.client().get(f"/data/{towns['water']}")
    house.seal()
    own = lines(house, chain=project_of(house, "water"))
    start, end = own[2]["at"], own[4]["at"]
    asked = {"project": "water", "from": rfc3339(start), "to": rfc3339(end)}
    answer = house.client().get("/record/export", params=asked)
    (tmp_path / "slice.jsonl").write_bytes(answer.content)
    told = verify_export(tmp_path / "slice.jsonl", key)
    numbers = [e["cseq"] for e in own if start <= e["at"] <= end]
    assert f"records {numbers[0]} to {numbers[-1]} of" in told


@pytest.fixture(scope="module")
def exported(shared_house: House, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Path]:
    """An export of the platform's chain, and the key."""
    for _ in range(8):
        shared_house.client().get("/account")
    shared_house.seal()
    answer = shared_house.client().get("/record/export", params={"project": "platform"})
    key = tmp_path_factory.mktemp("key") / "auditor.pub"
    key.write_bytes(shared_house.city.assurance.signer.public_pem)
    return answer.content, key


Tamper = Callable[[list[bytes]], list[bytes]]


@st.composite
def tamperings(draw: st.DrawFn) -> tuple[Tamper, int]:
    """What is done to the lines of an export, and which record is the first bad one."""
    at, kind = draw(st.integers(0, 6)), draw(st.sampled_from(["flip", "drop", "swap", "repeat"]))
    where, bit = draw(st.integers(0, 10_000)), draw(st.integers(0, 7))

    def tamper(records: list[bytes]) -> list[bytes]:
        if kind == "flip":
            line = bytearray(records[at])
            line[where % len(line)] ^= 1 << bit
            records[at] = bytes(line)
        elif kind == "drop":
            del records[at]
        elif kind == "swap":
            records[at], records[at + 1] = records[at + 1], records[at]
        else:
            records.insert(at, records[at])
        return records

    return tamper, at + (2 if kind == "repeat" else 1)


@given(tamperings())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
def test_whatever_is_done_to_an_export_is_named(
    exported: tuple[bytes, Path], tmp_path: Path, tampering: tuple[Tamper, int]
) -> None:
    tamper, expected = tampering
    head, *records, proof, end = exported[0].split(b"\n")
    path = tmp_path / "export.jsonl"
    path.write_bytes(b"\n".join([head, *tamper(records), proof, end]))
    with pytest.raises(Bad) as bad:
        verify_export(path, exported[1])
    found = re.search(r"bad record (\d+) of chain 0", str(bad.value))
    # A line whose link was flipped is told from the one before it by nobody.
    assert found and int(found[1]) in (expected, expected - 1), bad.value


def test_an_export_that_was_cut_is_bad(exported: tuple[bytes, Path], tmp_path: Path) -> None:
    content, key = exported
    path = tmp_path / "export.jsonl"
    rows = content.splitlines(keepends=True)
    for cut in (rows[:-1], rows[:-2], rows[:4], rows[:1]):
        path.write_bytes(b"".join(cut))
        with pytest.raises(Bad, match="missing"):
            verify_export(path, key)
    path.write_bytes(content[:-3])
    with pytest.raises(Bad, match="cut off"):
        verify_export(path, key)
    path.write_bytes(b"")
    with pytest.raises(Bad, match="no export"):
        verify_export(path, key)


def test_every_entry_is_proved_within_two_kilobytes(
    house: House, towns: dict[str, str], tmp_path: Path, key: Path
) -> None:
    for _ in range(10):
        house.client().get(f"/data/{towns['water']}")
    own = lines(house, chain=project_of(house, "water"))
    admin, path = house.client(), tmp_path / "proof.json"
    early = admin.get("/record/water/1/proof")
    assert (early.status_code, early.headers["retry-after"]) == (409, "60")
    house.seal()
    for entry in own:
        answer = admin.get(f"/record/water/{entry['cseq']}/proof")
        assert answer.is_success and len(answer.content) <= PROOF_BYTES_MAX
        path.write_bytes(answer.content)
        assert "its line is the one that was written" in verify_proof(path, key, None)
    assert admin.get("/record/water/999/proof").status_code == 404
    assert admin.get("/record/water/0/proof").status_code == 422
    proof = answer.json()
    record = proof.pop("record")
    path.write_text(json.dumps(proof))
    given = tmp_path / "lines.jsonl"
    given.write_text(json.dumps(own[-1]) + "\n")
    assert "its line is the one" in verify_proof(path, key, given)
    assert "its line was not given" in verify_proof(path, key, None)
    given.write_text(json.dumps(own[0]) + "\n")
    with pytest.raises(Bad, match="does not hold the line"):
        verify_proof(path, key, given)
    forged = [
        proof | {"record": record | {"who": "nobody"}},
        proof | {"cseq": proof["cseq"] - 1},
        proof | {"chain": 0},
        proof | {"path": proof["path"][1:]},
        proof | {"leaf": "0" * 64},
        proof | {"checkpoint": proof["checkpoint"] | {"size": proof["checkpoint"]["size"] + 1}},
    ]
    for one in forged:
        path.write_text(json.dumps(one))
        with pytest.raises(Bad, match=r"bad (record|checkpoint at record) \d+"):
            verify_proof(path, key, None)
    path.write_text("[]")
    with pytest.raises(Bad, match="no proof"):
        verify_proof(path, key, None)


def test_the_whole_record_is_in_order_too(house: House, towns: dict[str, str]) -> None:
    house.seal()
    house.client().get(f"/data/{towns['city']}")
    house.seal()
    audit = house.record.directory
    (audit / "checkpoint.pub").write_bytes(house.city.assurance.signer.public_pem)
    told = verify(audit, (), None, None)
    assert told.startswith("in order") and "3 chains" in told


def test_a_key_is_told_to_auditors_alone(house: House) -> None:
    answer = house.client().get("/record/key")
    assert answer.text == house.city.assurance.signer.public_pem.decode()
    assert isinstance(answer, httpx.Response)
    blind = house.user("blind", {}, frozenset({Scope.READ}))
    assert blind.get("/record/key").status_code == 403
