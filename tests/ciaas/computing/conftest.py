from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ciaas.computing.city import City


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """A running broker for this module, with nobody admitted."""
    city = City(tmp_path_factory.mktemp("city"))
    try:
        city.start()
        yield city
    finally:
        city.end()
