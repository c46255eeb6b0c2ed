"""The bench of rights, on a small town: what it asks is what the engine is for."""

from __future__ import annotations

import pytest

from borough.bench import rights as module
from borough.settings import Settings
from security.aaa.levels import Level


def test_every_kind_of_grant_is_asked() -> None:
    town = module._town(grants=20_000, points=20_000, checks=2_000)
    levels = {town.rights.level(user, path) for user, path in town.questions}
    assert levels == set(Level)
    assert any(len(town.rights.groups_of(user)) > 1 for user, _ in town.questions)
    verdicts = [town.rights.why(user, path) for user, path in town.questions[:500]]
    assert {len(grant.path) for v in verdicts for grant in v.applies if grant.decides} == {2, 5}
    assert {grant.group is None for v in verdicts for grant in v.applies} == {True, False}


def test_both_cases_give_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("GRANTS", 5_000), ("POINTS", 10_000), ("CHECKS", 1_000)):
        monkeypatch.setattr(module, f"RIGHTS_{name}", size)
    monkeypatch.setattr(module, "settle_heap", lambda: None)  # it would last for all other tests
    said: list[str] = []
    found = module.bench(Settings(), module.CASES, 3, said.append).as_dict()
    assert [case["case"] for case in found["cases"]] == ["check", "filter"]
    assert [(case["bar"], case["baseline"]) for case in found["cases"]] == [(8.0, 1.0), (50.0, 1.0)]
    assert found["grants"] == 5_000
    assert 0 < found["us_per_check"] == found["cases"][0]["ours"]
    assert all(case["dict"] > 0 for case in found["cases"])
    assert said
