"""The registry: what exists, who may, and every change of it under one version number."""

from ciaas.storage.registry.errors import SchemaTooNew, SchemaTooOld, Unavailable, Unusable
from ciaas.storage.registry.migration import check, migrate
from ciaas.storage.registry.registry import Registry, open_registry

__all__ = [
    "Registry",
    "SchemaTooNew",
    "SchemaTooOld",
    "Unavailable",
    "Unusable",
    "check",
    "migrate",
    "open_registry",
]
