"""Client of a Borough city platform."""

from borough_client.client import Client
from borough_client.commands import Command
from borough_client.errors import (
    BoroughError,
    NotAllowed,
    NotFound,
    NotSignedIn,
    NotTrusted,
    NotVerified,
    Refused,
    Rejected,
    Unreachable,
)
from borough_client.live import Event
from borough_client.observations import Observations, Stored
from borough_client.tables import Table

__all__ = [
    "BoroughError",
    "Client",
    "Command",
    "Event",
    "NotAllowed",
    "NotFound",
    "NotSignedIn",
    "NotTrusted",
    "NotVerified",
    "Observations",
    "Refused",
    "Rejected",
    "Stored",
    "Table",
    "Unreachable",
]
