"""Objects: contents on disk, named by what is in them; their keys lie in the registry."""

from ciaas.storage.objects.contents import Contents, Received
from ciaas.storage.objects.ports import (
    ALWAYS,
    Condition,
    ContentMissing,
    NoRoom,
    ObjectEntry,
    ObjectError,
    ObjectKeys,
    PreconditionFailed,
    QuotaExceeded,
    TooLarge,
)

__all__ = [
    "ALWAYS",
    "Condition",
    "ContentMissing",
    "Contents",
    "NoRoom",
    "ObjectEntry",
    "ObjectError",
    "ObjectKeys",
    "PreconditionFailed",
    "QuotaExceeded",
    "Received",
    "TooLarge",
]
