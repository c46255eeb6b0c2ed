"""Decides which device may connect."""

from __future__ import annotations

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
        return None
