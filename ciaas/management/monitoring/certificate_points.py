"""What is known of certificates that near their end, as points of the platform with alarms."""

from __future__ import annotations

from collections.abc import Iterator

from ciaas.management.monitoring.platform_points import EXPIRING, HOST, ISSUING, Measure


def certificate_measures(expiring: int, issuing_left_s: float) -> Iterator[Measure]:
    """Yield how many devices have a certificate that was to be renewed, and the authority's rest.

    Args:
        expiring: Devices whose last certificate is past two thirds of its life, or has ended.
        issuing_left_s: Seconds until the issuing authority ends.
    """
    yield Measure(HOST, "certificates/devices/certificate_expires", EXPIRING, expiring)
    yield Measure(HOST, "certificates/issuing/left", ISSUING, issuing_left_s)
