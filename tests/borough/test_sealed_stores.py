"""Whatever is sealed under the key ring lies in a store that a rotation goes through."""

from __future__ import annotations

import re
from pathlib import Path

from borough.clock import MachineClock
from borough.home import Home
from borough.roles import adapter_means
from borough.roles.confidential import CityConfidential
from borough.roles.keys import sealed_stores
from borough.wiring import create_keys
from ciaas.kernel.catalogue import Catalogue
from ciaas.management.enrolment import batches
from ciaas.storage.history import open_history
from ciaas.storage.registry import migrate, open_registry
from security.encryption import subjects
from security.encryption.named import named_keys

ROOT = Path(__file__).parents[2] / "borough"
NAMED = (adapter_means, batches, named_keys, subjects)
"""Modules that name their purpose; others are named where their parts are built."""


def test_each_purpose_has_a_store(tmp_path: Path) -> None:
    written = {
        purpose
        for path in ROOT.rglob("*.py")
        for purpose in re.findall(r'\.envelope\("([^"]+)"\)', path.read_text())
    }
    assert {"webhooks", "signing keys"} <= written
    home, clock = Home(tmp_path), MachineClock()
    keys = create_keys(home)
    migrate(home.registry)
    with open_registry(home.registry) as registry, open_history(None, clock=clock) as history:
        catalogue = Catalogue(registry.resources)
        confidential = CityConfidential(home, keys, registry, catalogue, history, clock)
        stores = sealed_stores(home, keys, registry, confidential)
        assert {store.purpose for store in stores} == written | {part.PURPOSE for part in NAMED}
        assert all(store.count() == 0 and not store.page("", 10) for store in stores)
