"""Decides which device may connect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ciaas.kernel.address import EndpointId
from ciaas.kernel.catalogue import Catalogue
from ciaas.ports import Clock
from security.ports import CertificateStore


@dataclass(frozen=True, slots=True)
class DeviceGate:
    """A known endpoint that is not banned, with a certificate that we issued and not revoked."""

    catalogue: Catalogue
    certificates: CertificateStore
    clock: Clock
    over_quota: Callable[[EndpointId], str | None] = lambda uuid: None
    """Returns why a device's project may send no more now, None when it may."""

    def admit(
        self, endpoint_uuid: EndpointId, certificate_serial_hex: str, fingerprint: str
    ) -> str | None:
        """Return None to admit, else the reason in one word."""
        endpoint = self.catalogue.endpoint(endpoint_uuid)
        if endpoint is None:
            return "unknown"
        if endpoint.banned:
            return "banned"
        certificate = self.certificates.certificate(certificate_serial_hex)
        if certificate is None or certificate.fingerprint != fingerprint:
            return "unknown-certificate"
        if certificate.endpoint != endpoint_uuid:
            return "foreign-certificate"
        if certificate.revoked:
            return "revoked"
        if certificate.not_after <= self.clock.now_ms():
            return "expired"
        return self.over_quota(endpoint_uuid)

    def denied(self, sessions: Mapping[EndpointId, str]) -> list[EndpointId]:
        """Return those who are connected and would not be let in any more.

        ``sessions`` holds the fingerprint of the certificate that each has shown. Looked for
        whenever the broker went on without us: what was revoked just before is made good.
        """
        in_force = self.certificates.in_force(self.clock.now_ms()) if sessions else {}
        return [
            uuid
            for uuid, fingerprint in sessions.items()
            if (endpoint := self.catalogue.endpoint(uuid)) is None
            or endpoint.banned
            or in_force.get(fingerprint) != uuid
        ]
