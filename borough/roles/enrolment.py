"""Enrolment of many devices, as core builds it."""

from __future__ import annotations

from ciaas.management.enrolment.batches import PURPOSE, Batches
from ciaas.ports import Clock
from ciaas.storage.registry import Registry
from security.encryption.keyring import KeyRing
from security.ports import Record


def batches_of(registry: Registry, keys: KeyRing, record: Record, clock: Clock) -> Batches:
    """Return the batches of a registry; who starts them stops them."""
    return Batches(registry.enrolments, keys.envelope(PURPOSE), clock, record.append)
