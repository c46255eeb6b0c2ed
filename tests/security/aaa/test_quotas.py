"""Bounds of projects, and the seconds of their last hour."""

from __future__ import annotations

import pytest

from ciaas.storage.registry import Registry
from security.aaa.errors import OverQuota, RuleBroken
from security.aaa.quotas import QuerySeconds, Quota, Quotas
from security.limits import QUERY_WINDOW_MINUTES, QUOTA_MAX
from tests.security.aaa.moved_clock import MovedClock


def test_what_is_set_for_a_project_counts_before_the_default(registry: Registry) -> None:
    project = registry.resources.create_project("city").id
    quotas = Quotas(registry.quotas, lambda name: {"points": 5}, str)
    assert quotas.bound(project, Quota.POINTS) == 5
    quotas.put(project, Quota.POINTS, 0)
    assert quotas.bound(project, Quota.POINTS) == 0 and quotas.own(project) == {"points": 0}
    with pytest.raises(OverQuota, match="points is 0 and 1"):
        quotas.check(project, Quota.POINTS, 1)
    quotas.put(project, Quota.POINTS, QUOTA_MAX)
    assert quotas.bound(project, Quota.POINTS) is None
    quotas.check(project, Quota.POINTS, QUOTA_MAX + 1)
    quotas.put(project, Quota.POINTS, None)
    assert quotas.bound(project, Quota.POINTS) == 5
    for wrong in (-1, QUOTA_MAX + 1):
        with pytest.raises(RuleBroken):
            quotas.put(project, Quota.POINTS, wrong)
    quotas.put(project, Quota.POINTS, 9)
    assert Quotas(registry.quotas, lambda name: {}, str).bound(project, Quota.POINTS) == 9


def test_seconds_count_for_an_hour(clock: MovedClock) -> None:
    seconds = QuerySeconds(clock.now_ms)
    seconds.spend(1, 2.5)
    clock.advance(60 * (QUERY_WINDOW_MINUTES - 1))
    seconds.spend(1, 1.0)
    assert (seconds.spent(1), seconds.spent(2)) == (3.5, 0)
    wait_s = seconds.retry_after_s(1)
    assert 1 <= wait_s <= 60
    clock.advance(wait_s)
    assert seconds.spent(1) == 1.0
    assert seconds.retry_after_s(2) == QUERY_WINDOW_MINUTES * 60 - clock.now_ms() // 1_000 % 60
    seconds.spend(1, 1.0)
    assert seconds.spent(1) == 2.0
