from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.promises.storm import Storm, rage

ROUNDS = 6
_STORM_S = 180
_ROUND_S = 30
_told = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("promises", "kills under load (name tests/promises to use these)")
    group.addoption("--rounds", type=int, default=ROUNDS, help="kills of a storm")
    group.addoption("--seed", type=int, default=None, help="repeats a storm")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "storm" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(_STORM_S + _ROUND_S * _rounds(config)))


@pytest.fixture(scope="session")
def storm(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storm]:
    """One storm for all that is asked about it."""
    # The options are unknown when pytest met this folder only while it collected.
    seed = pytestconfig.getoption("seed", None)
    if seed is None:
        seed = random.SystemRandom().randrange(10**6)
    found = rage(tmp_path_factory.mktemp("storm") / "home", _rounds(pytestconfig), seed)
    pytestconfig.stash.setdefault(_told, []).append(str(found))
    yield found


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in config.stash.get(_told, []):
        terminalreporter.write_line(f"storm: {line}")


def _rounds(config: pytest.Config) -> int:
    return int(config.getoption("rounds", ROUNDS))
