"""The bench of rights, on a small town: what it asks is what the engine is for."""

from __future__ import annotations

import pytest

from borough.bench import rights as module
from borough.bench.rig.town import town_of_sets
from borough.settings import Settings
from security.aaa.extents import SetExtent, SetKind
from security.aaa.levels import Level


def test_every_kind_of_grant_is_asked() -> None:
    town = module._town(grants=20_000, points=20_000, checks=2_000)
    levels = {town.rights.level(user, path) for user, path in town.questions}
    assert levels == set(Level)
    assert any(len(town.rights.groups_of(user)) > 1 for user, _ in town.questions)
    verdicts = [town.rights.why(user, path) for user, path in town.questions[:500]]
    assert {len(grant.path) for v in verdicts for grant in v.applies if grant.decides} == {2, 5}
    assert {grant.group is None for v in verdicts for grant in v.applies} == {True, False}


def test_points_of_sets_are_decided_by_sets() -> None:
    plain = module._town(grants=5_000, points=1_000, checks=10)
    town = town_of_sets(plain, endpoints=20, points=400, checks=2_000)
    assert town.numbers is not None and len(town.points) == len(town.numbers) == 400
    levels = {town.rights.level(user, path) for user, path in town.questions}
    assert {Level.DENY, Level.DESCRIBE, Level.READ, Level.WRITE} <= levels
    for user in range(town.users):
        mask = town.rights.visible(user, town.points, Level.READ, town.numbers)
        single = [town.rights.level(user, path).includes(Level.READ) for path in town.points]
        assert mask.tolist() == single
    kinds = {
        grant.permit.extent.kind
        for user, path in town.questions
        for grant in town.rights.why(user, path).applies
        if grant.permit is not None and isinstance(grant.permit.extent, SetExtent)
    }
    assert kinds == set(SetKind)


def test_each_case_gives_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (
        ("GRANTS", 5_000), ("POINTS", 10_000), ("CHECKS", 1_000), ("ENDPOINTS", 20)
    ):  # fmt: skip
        monkeypatch.setattr(module, f"RIGHTS_{name}", size)
    monkeypatch.setattr(module, "settle_heap", lambda: None)  # it would last for all other tests
    said: list[str] = []
    found = module.bench(Settings(), module.CASES, 3, said.append).as_dict()
    assert [case["case"] for case in found["cases"]] == list(module.CASES)
    assert [(case["bar"], case["baseline"]) for case in found["cases"]] == [
        (8.0, 1.0), (50.0, 1.0), (8.0, 1.0), (50.0, 1.0),
    ]  # fmt: skip
    assert found["grants"] == 5_000
    checks = [case["ours"] for case in found["cases"] if case["case"] in ("check", "sets")]
    assert 0 < found["us_per_check"] == max(checks)
    assert all(case["dict"] > 0 for case in found["cases"])
    assert said
