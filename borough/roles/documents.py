"""The API's door to adapters' connection documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ciaas.ports import RegistryStore
from ciaas.sensorisation.enrolment import enrol


def source_of(connection: str) -> str:
    """Return the source name of a connection's samples."""
    return f"adapter:{connection}"


@dataclass(frozen=True, slots=True)
class DocumentDoor:
    """Checks documents against the adapters that ship with the platform."""

    registry: RegistryStore

    def put(self, project: int, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Enrol a document; returns its revision, endpoints and notes.

        Raises:
            DocumentError: a ValueError that names each fault and where it is.
            Conflict: a name or an endpoint belongs to something else.
        """
        from adapters.catalogue import ADAPTERS  # core itself connects to nothing: late

        done = enrol(self.registry, project, document, ADAPTERS)
        self.registry.source(source_of(done.connection.name))  # field itself only reads
        return {
            "name": done.connection.name,
            "revision": done.connection.revision,
            "endpoints": [*done.created, *done.kept],
            "created": list(done.created),
            "released": list(done.released),
            "notes": list(done.notes),
        }
