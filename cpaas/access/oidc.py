"""What the routes of applications act on: the provider, and services with their health."""

from __future__ import annotations

from dataclasses import dataclass

from ciaas.management.services.directory import Services
from ciaas.management.services.health import ServiceWatch
from security.aaa.oidc.provider import Provider


@dataclass(frozen=True, slots=True)
class Oidc:
    """Applications and what they publish."""

    provider: Provider
    services: Services
    health: ServiceWatch
