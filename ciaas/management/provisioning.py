"""Provisioning: endpoints are created, their devices get certificates and bundles.

Source: cloud.iO's provisioning flow. What differs is deliberate: tokens expire and work once,
serial numbers are unique, and a private key is made here only for a device that cannot make its
own.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from ciaas.kernel.address import EndpointId, check_endpoint
from ciaas.limits import PROVISION_TOKEN_LIFE_MS
from ciaas.management.bundle import Bundle, ProvisioningError, check_properties
from ciaas.ports import Clock, Endpoint, Feed, Missing, RegistryStore
from security.encryption.authority import Authority
from security.encryption.certificates import AuthorityError, IssuedCertificate, Presented
from security.encryption.public_keys import from_request, from_text
from security.limits import DEVICE_CERTIFICATE_DAYS, DEVICE_CERTIFICATE_DAYS_MIN
from security.ports import CertificateEntry, CertificateStore, ProvisionEntry

__all__ = ["CLOUDIO_PORT", "Bundle", "Provisioning", "ProvisioningError", "check_feed"]

CLOUDIO_PORT = 8883
"""Stock cloud.iO devices know no other."""
_DIRECTORY = "~/.config/cloud.io"
"""Where stock devices look first; the Python client expands the tilde itself."""
_FILE_NAME = re.compile(r"[\w-][\w.-]{0,99}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Provisioning:
    """Creates endpoints and hands out what their devices need."""

    registry: RegistryStore
    certificates: CertificateStore
    authority: Authority
    clock: Clock
    host: str
    """Host name or address that devices connect to, one that the broker's certificate names."""
    port: int
    days: float = DEVICE_CERTIFICATE_DAYS
    """Life of a device's certificate."""
    days_min: float = DEVICE_CERTIFICATE_DAYS_MIN
    """Shortest life that may be asked for."""

    @property
    def authority_pem(self) -> str:
        """Certificates of the roots that devices trust."""
        return self.authority.anchors_pem.decode()

    def create(
        self, project: int, friendly_name: str, metadata: Mapping[str, Any], uuid: str | None
    ) -> Endpoint:
        """Create an endpoint; raises AddressError or Conflict for a bad or taken UUID."""
        if uuid is not None:
            uuid = check_endpoint(uuid)
        return self.registry.create_endpoint(project, friendly_name, metadata, uuid)

    def delete(self, endpoint: Endpoint) -> int:
        """Delete an endpoint and revoke its certificates; return how many those were.

        Raises:
            Missing: it was deleted meanwhile.
        """
        now_ms = self.clock.now_ms()
        in_force = [
            certificate
            for certificate in self.certificates.certificates(endpoint.uuid)
            if not certificate.revoked and certificate.not_after > now_ms
        ]
        self.registry.delete_endpoint(endpoint.uuid, now_ms)  # revokes in the same transaction
        return len(in_force)

    def sign(self, endpoint: Endpoint, csr: str, days: float | None = None) -> dict[str, Any]:
        """Issue a certificate for a signing request, for so many days or as long as it may be.

        Raises:
            ProvisioningError: the request is no CSR, its key is too weak, the life is none that may
                be asked for, or no device may feed the endpoint.
        """
        issued = self.issue(endpoint.uuid, csr=csr, days=days)
        return {
            "certificate": issued.certificate_pem.decode(),
            "chain": self.authority.issuing_pem.decode(),
            "caCertificate": self.authority_pem,
            "serial": issued.serial,
            "notAfter": issued.not_after,
        }

    def certificates_of(self, endpoint: Endpoint) -> Sequence[CertificateEntry]:
        """Return the endpoint's certificates, oldest first, denied ones included."""
        return self.certificates.certificates(endpoint.uuid)

    def revoke(self, endpoint: Endpoint, serial: str | None) -> int:
        """Deny one certificate of an endpoint, or all; return how many were in force until now.

        Who is connected stays so until told to go.

        Raises:
            Missing: the endpoint never had a certificate of this serial.
        """
        if serial is None:
            return self.certificates.revoke_certificates(endpoint.uuid)
        found = self.certificates.certificate(serial)
        if found is None or found.endpoint != endpoint.uuid:
            raise Missing(f"the endpoint has no certificate {serial}")
        self.certificates.revoke_certificate(serial)
        return int(not found.revoked and found.not_after > self.clock.now_ms())

    def provision_token(self, endpoint: Endpoint, properties: Mapping[str, str]) -> str:
        """Return a single-use token, replacing earlier ones of the endpoint.

        Raises:
            ProvisioningError: a property would break stock devices, no device may feed the
                endpoint, or it is not known under which name devices reach this platform.
        """
        check_feed(endpoint)
        own = check_properties(properties)
        self.check_reachable(own)
        token = secrets.token_hex(32)
        expires_at = self.clock.now_ms() + PROVISION_TOKEN_LIFE_MS
        self.certificates.put_provision(
            ProvisionEntry(_digest(token), endpoint.uuid, expires_at, own)
        )
        return token

    def check_reachable(self, properties: Mapping[str, str]) -> None:
        """Raise ProvisioningError when a bundle could not say where its device connects to."""
        if "hostUri" not in properties and _is_unspecified(self.host):
            raise ProvisioningError(
                "the platform listens on every address and does not know its own name; give the "
                "property hostUri, and that name in the setting certificate_names"
            )

    def redeem(self, token: str, public_key: str | None, name: str | None) -> Bundle | None:
        """Use a token up and return its bundle; None when it is unknown, used or expired.

        Raises:
            ProvisioningError: ``name`` is no file name, or ``public_key`` no PEM of a strong key.
        """
        if name is not None and not _FILE_NAME.fullmatch(name):
            raise ProvisioningError(
                "propertiesFileName has 1 to 100 letters, digits or any of . _ - and no dot first"
            )
        if public_key is not None:
            try:
                from_text(public_key)  # before the token is used up
            except AuthorityError as error:
                raise ProvisioningError(str(error)) from error
        known = self.certificates.provision(_digest(token))
        if known is None:
            return None
        endpoint = EndpointId(known.endpoint)
        issued = self._sign(endpoint, public_key=public_key)
        entry = self._take(known, issued)
        if entry is None:
            return None
        properties = {
            "uuid": endpoint,
            "hostUri": self.host,
            "messageFormat": "cbor",
            "ssl.authorityCert": f"{_DIRECTORY}/ca-cert.pem",
            "ssl.clientCert": f"{_DIRECTORY}/{endpoint}-client-cert.pem",
            "ssl.clientKey": f"{_DIRECTORY}/{endpoint}-private-key.pem",
        }
        return Bundle(
            endpoint=endpoint,
            name=name or endpoint,
            properties=properties | {key: str(value) for key, value in entry.properties.items()},
            authority_pem=self.authority_pem,
            chain_pem=self.authority.issuing_pem.decode(),
            certificate_pem=issued.certificate_pem.decode(),
            serial=issued.serial,
            key_pem=None if issued.private_key_pem is None else issued.private_key_pem.decode(),
            notes=self._notes(issued),
            port=self.port,
        )

    def _notes(self, issued: IssuedCertificate) -> tuple[str, ...]:
        notes = []
        if self.port != CLOUDIO_PORT:
            notes.append(
                f"the broker listens on port {self.port}, but stock cloud.iO devices connect to "
                f"{CLOUDIO_PORT} alone: serve {CLOUDIO_PORT} or give the device the port"
            )
        if issued.private_key_pem is None:
            notes.append("ssl.clientKey names where the device's own private key has to lie")
        end = datetime.fromtimestamp(issued.not_after / 1000, UTC)
        notes.append(
            f"the certificate ends on {end:%Y-%m-%d}: renew it by EST, or provision the endpoint "
            "again, before that"
        )
        return tuple(notes)

    def enrol(self, token: str, endpoint: str, csr: str) -> IssuedCertificate | None:
        """Use a token up for a certificate alone; None when it is unknown, used or expired.

        Args:
            token: As `provision_token` gave it.
            endpoint: UUID that the token has to be for; empty for any.
            csr: Signing request in PEM.

        Raises:
            ProvisioningError: the request is no CSR or its key too weak; the token stays good.
        """
        try:
            from_request(csr)
        except AuthorityError as error:
            raise ProvisioningError(str(error)) from error
        known = self.certificates.provision(_digest(token))
        if known is None or endpoint not in ("", known.endpoint):
            return None
        issued = self._sign(EndpointId(known.endpoint), csr=csr)
        return None if self._take(known, issued) is None else issued

    def _take(self, known: ProvisionEntry, issued: IssuedCertificate) -> ProvisionEntry | None:
        """Use a token up and note its certificate: both, or neither if the token is gone."""
        noted = self._entry(EndpointId(known.endpoint), issued)
        return self.certificates.take_provision(known.digest, self.clock.now_ms(), noted)

    def renew(self, presented: Presented, csr: str) -> IssuedCertificate | None:
        """Issue the successor of a certificate that its holder has just proved to hold.

        Returns:
            None when that certificate is not one that the broker would let in.

        Raises:
            ProvisioningError: as `sign`.
        """
        entry = self.certificates.certificate(presented.serial)
        now_ms = self.clock.now_ms()
        if (
            entry is None
            or entry.fingerprint != presented.fingerprint
            or entry.endpoint != presented.common_name
            or entry.revoked
            or entry.not_after <= now_ms
        ):
            return None
        try:
            endpoint = self.registry.endpoint(EndpointId(entry.endpoint))
        except Missing:
            return None
        if endpoint.banned:
            return None
        issued = self._sign(endpoint.uuid, csr=csr)
        try:
            self.certificates.add_certificate(
                self._entry(endpoint.uuid, issued), predecessor=entry.serial
            )
        except Missing:  # it was denied, or its endpoint deleted, while this was signed
            return None
        return issued

    def issue(
        self,
        uuid: EndpointId,
        *,
        csr: str | None = None,
        public_key: str | None = None,
        days: float | None = None,
    ) -> IssuedCertificate:
        """Issue a certificate and note it, so that its holder is let in.

        Raises:
            ProvisioningError: as `sign`.
            Missing: there is no such endpoint.
        """
        issued = self._sign(uuid, csr=csr, public_key=public_key, days=days)
        self.certificates.add_certificate(self._entry(uuid, issued))
        return issued

    def _sign(
        self,
        uuid: EndpointId,
        *,
        csr: str | None = None,
        public_key: str | None = None,
        days: float | None = None,
    ) -> IssuedCertificate:
        """Return a certificate that lets nobody in before it is noted; raises as `issue`."""
        check_feed(self.registry.endpoint(uuid))
        if days is not None and not self.days_min <= days <= self.days:
            raise ProvisioningError(
                f"a device's certificate lives {self.days_min:g} to {self.days:g} days"
            )
        try:
            return self.authority.issue_endpoint(
                uuid, csr=csr, public_key=public_key, days=days or self.days
            )
        except AuthorityError as error:
            raise ProvisioningError(str(error)) from error

    def _entry(self, uuid: EndpointId, issued: IssuedCertificate) -> CertificateEntry:
        return CertificateEntry(
            issued.serial,
            uuid,
            issued.fingerprint,
            issued.not_after,
            issued_at=self.clock.now_ms(),
        )


def check_feed(endpoint: Endpoint) -> None:
    """Raise ProvisioningError for an endpoint that no device may feed."""
    if endpoint.feed not in (None, Feed.DEVICE):
        raise ProvisioningError(
            f"the endpoint is fed by its {endpoint.feed}; create another one for a device"
        )


def _is_unspecified(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="backslashreplace")).hexdigest()
