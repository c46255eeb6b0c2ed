"""The platform of this machine, as the verbs call it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from borough.home import Home
from borough.settings import load_settings

if TYPE_CHECKING:
    from borough.client import LocalClient


def here() -> LocalClient:
    """Return a client of the platform of this home; its HTTP library is imported here.

    Raises:
        HomeError: the home has no keys yet.
        SettingsError: a setting is wrong.
    """
    from borough.client import local_client

    settings = load_settings()
    return local_client(Home(settings.home), settings)
