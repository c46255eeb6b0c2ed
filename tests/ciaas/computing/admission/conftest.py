from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ciaas.computing.city import City
from tests.ciaas.computing.doorkeeper import Doorkeeper


@pytest.fixture(scope="module")
def doorkeeper(city: City) -> Iterator[Doorkeeper]:
    """Admission of the module's city, open to devices."""
    doorkeeper = Doorkeeper(city)
    city.run(doorkeeper.prepare())
    doorkeeper.callout.open()
    yield doorkeeper
    city.run(doorkeeper.end())
