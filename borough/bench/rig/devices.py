"""The devices of a bench: enrolled on a platform, ready to be connected."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from borough.bench.load.traffic import CLASS, RANGE
from borough.bench.rig.enrolment import AUTHORITY_FILE, enrol
from borough.bench.rig.installation import Installation
from borough.settings import Listen


class Fleet(NamedTuple):
    """Endpoints with their certificates."""

    uuids: Sequence[str]
    folder: Path
    mqtts: Listen

    @property
    def authority(self) -> Path:
        """Certificate that the devices trust."""
        return self.folder / AUTHORITY_FILE

    def identity(self, uuid: str) -> Path:
        """Return the file with a device's certificate and key."""
        return self.folder / f"{uuid}.pem"

    def spec(self, mqtts: Listen | None = None, *, but_first: int = 0, tls: bool = True) -> str:
        """Return the argument of the load's process.

        Args:
            mqtts: another broker than the platform's.
            but_first: so many devices are left out.
            tls: False connects without.
        """
        host, port = mqtts or self.mqtts
        return json.dumps(
            {
                "host": host,
                "port": port,
                "authority": str(self.authority) if tls else None,
                "identities": str(self.folder),
                "devices": self.uuids[but_first:],
            }
        )


def fleet(installation: Installation, count: int) -> Fleet:
    """Enrol devices whose values are judged by a range; see `enrol`."""
    folder = installation.folder / "identities"
    client = installation.client
    uuids = enrol(client, installation.settings.project, count, folder)
    client.call("PATCH", f"/metadata/class:{CLASS}", {"range": RANGE})
    return Fleet(uuids, folder, installation.settings.mqtts)
