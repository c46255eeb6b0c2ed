"""A town whose devices are told stamps, as cloud.iO's are, and one whose devices are not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ciaas.kernel.downlink import downlink
from ciaas.storage.history import open_history
from ciaas.storage.registry import migrate, open_registry
from tests.ciaas.kernel.downlink.town import Moving, Town


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that are a second in a city are a moment here."""
    monkeypatch.setattr(downlink, "GREETING_MS", 50)
    monkeypatch.setattr(downlink, "_RETRY_MS", 20)


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("downlink") / "registry.sqlite"
    migrate(path)
    return path


def opened(empty: Path, folder: Path, stamped: bool) -> Iterator[Town]:
    path = folder / "registry.sqlite"
    shutil.copy(empty, path)
    registry, history = open_registry(path), open_history(None, clock=Moving())
    town = Town(registry, history, stamped=stamped)
    yield town
    town.downlink.stop()
    history.close()
    registry.close()
    assert town.failures == []


@pytest.fixture
def town(empty_registry: Path, tmp_path: Path) -> Iterator[Town]:
    """With an adapter."""
    yield from opened(empty_registry, tmp_path, stamped=False)


@pytest.fixture
def stamped_town(empty_registry: Path, tmp_path: Path) -> Iterator[Town]:
    """With a cloud.iO device."""
    yield from opened(empty_registry, tmp_path, stamped=True)
