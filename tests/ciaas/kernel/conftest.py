"""A registry on disk, and a city of two endpoints over it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ciaas.storage.registry import Registry, migrate, open_registry
from tests.ciaas.kernel.city import City, settle


@pytest.fixture(scope="session")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry's file that holds what every test starts with."""
    path = tmp_path_factory.mktemp("kernel") / "registry.sqlite"
    migrate(path)
    registry = open_registry(path)
    settle(registry)
    registry.close()
    return path


@pytest.fixture
def registry(settled: Path, tmp_path: Path) -> Iterator[Registry]:
    path = tmp_path / "registry.sqlite"
    shutil.copy(settled, path)
    opened = open_registry(path)
    yield opened
    opened.close()


@pytest.fixture
def city(registry: Registry) -> City:
    return City(registry)
