"""What core gives the API to make mashups with."""

from __future__ import annotations

from collections.abc import Sequence

from borough.home import Home
from borough.roles.compose_report import read_report
from ciaas.computing.reach import Reach
from ciaas.kernel.catalogue import Catalogue
from ciaas.management.directory.directory import Directory
from ciaas.ports import HistoryStore
from ciaas.storage.registry import Registry
from cpaas.composition.workshop import Workshop
from security.aaa.rights import Rights


def workshop(
    registry: Registry,
    catalogue: Catalogue,
    history: HistoryStore,
    rights: Rights,
    directory: Directory,
    home: Home,
    outgoing_allow: Sequence[str],
) -> Workshop:
    """Return the workshop over core's parts; how mashups do is read from the role's report."""
    return Workshop(
        store=registry.mashups,
        registry=registry.resources,
        catalogue=catalogue,
        history=history,
        rights=rights,
        matching=directory.readable,
        report=lambda: read_report(home).get("mashups", {}),
        reaches=Reach.of(outgoing_allow).check_url,
    )
