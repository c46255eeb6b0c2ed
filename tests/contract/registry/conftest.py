"""The backends of the registry, and what most tests start from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ciaas.ports import Endpoint
from ciaas.storage.registry import Registry, migrate, open_registry


def sqlite_file(directory: Path) -> Callable[[bool], Registry]:
    path = directory / "registry.db"
    migrate(path)
    return lambda read_only: open_registry(path, read_only)


@pytest.fixture(params=[sqlite_file], scope="session")
def place(request: pytest.FixtureRequest) -> Callable[[Path], Callable[[bool], Registry]]:
    """Make a fresh registry for a directory; returns how to open it, True for reading only."""
    maker: Callable[[Path], Callable[[bool], Registry]] = request.param
    return maker


@pytest.fixture
def backend(
    place: Callable[[Path], Callable[[bool], Registry]], tmp_path: Path
) -> Callable[[bool], Registry]:
    return place(tmp_path)


@pytest.fixture
def registry(backend: Callable[[bool], Registry]) -> Iterator[Registry]:
    with backend(False) as opened:
        yield opened


@pytest.fixture
def endpoint(registry: Registry) -> Endpoint:
    project = registry.resources.create_project("quarter")
    return registry.resources.create_endpoint(project.id, "lamp", {})
