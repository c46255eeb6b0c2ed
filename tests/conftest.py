"""What holds for every test: peers are optional on a desk and required in CI."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Generator

import pytest

PEERS = ("cbor", "cloudio", "umodbus")
STRICT = "BOROUGH_CI"
"""Set in CI: a skipped test is a failed one there, but for what needs recorded data."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = [peer for peer in PEERS if importlib.util.find_spec(peer) is None]
    if not missing:
        return
    skip = pytest.mark.skip(reason=f"requirements-ci.lock is not installed: no {missing[0]}")
    for item in items:
        if item.get_closest_marker("peer"):
            item.add_marker(skip)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and os.environ.get(STRICT) and not item.get_closest_marker("recorded"):
        if not hasattr(report, "wasxfail"):
            report.outcome = "failed"
            report.longrepr = f"skipped in CI, where nothing may be: {report.longrepr}"
    return report
