"""Provisioning: endpoints are created, their devices get certificates and bundles.

Source: cloud.iO's provisioning flow and properties file. What differs is deliberate: tokens expire
and work once, serial numbers are unique, and a private key is made here only for a device that
cannot make its own.
"""

from __future__ import annotations

import hashlib
import io
import secrets
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ciaas.kernel.address import EndpointId, check_endpoint, check_name
from ciaas.limits import PROVISION_TOKEN_LIFE_MS
from ciaas.ports import Clock, Endpoint, Feed, RegistryStore
from security.encryption.authority import Authority
from security.encryption.certificates import AuthorityError, IssuedCertificate
from security.encryption.public_keys import from_text
from security.ports import CertificateEntry, CertificateStore, ProvisionEntry

CLOUDIO_PORT = 8883
"""Stock cloud.iO devices know no other."""
_PREFIX = "ch.hevs.cloudio.endpoint."
_DIRECTORY = "~/.config/cloud.io"
"""Where stock devices look first; the Python client expands the tilde itself."""
_FATAL_KEYS = frozenset({"keepAliveInterval", "connectRetryInterval"})
"""In the file, either makes the stock Python client fail to connect or never reconnect."""


class ProvisioningError(Exception):
    """The request cannot be met; the message says what to send instead."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """All that a device needs to connect."""

    endpoint: EndpointId
    name: str
    """File name of the properties, without its ending."""
    properties: Mapping[str, str]
    authority_pem: str
    certificate_pem: str
    key_pem: str | None
    """None when the device made its own key."""
    note: str
    """What a person should know before using it, empty if nothing."""

    def as_dict(self) -> dict[str, Any]:
        """Return cloud.iO's JSON form."""
        answer: dict[str, Any] = {
            "endpoint": self.endpoint,
            "properties": dict(self.properties),
            "caCertificate": self.authority_pem,
            "clientCertificate": self.certificate_pem,
        }
        if self.key_pem is not None:
            answer["clientPrivateKey"] = self.key_pem
        if self.note:
            answer["note"] = self.note
        return answer

    def as_zip(self) -> bytes:
        """Return the archive to be unpacked into ``~/.config/cloud.io``."""
        lines = [f"# {self.note}"] if self.note else []
        lines += [f"{_PREFIX}{key} = {value}" for key, value in self.properties.items()]
        files = {
            f"{self.name}.properties": "\n".join(lines) + "\n",
            "ca-cert.pem": self.authority_pem,
            f"{self.endpoint}-client-cert.pem": self.certificate_pem,
        }
        if self.key_pem is not None:
            files[f"{self.endpoint}-private-key.pem"] = self.key_pem
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                entry = zipfile.ZipInfo(name)
                entry.external_attr = 0o600 << 16
                archive.writestr(entry, text)
        return buffer.getvalue()


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

    @property
    def authority_pem(self) -> str:
        """Certificate of our authority."""
        return self.authority.certificate_pem.decode()

    def create(
        self, project: int, friendly_name: str, metadata: Mapping[str, Any], uuid: str | None
    ) -> Endpoint:
        """Create an endpoint; raises AddressError or Conflict for a bad or taken UUID."""
        if uuid is not None:
            uuid = check_endpoint(uuid)
        return self.registry.create_endpoint(project, friendly_name, metadata, uuid)

    def delete(self, endpoint: Endpoint) -> int:
        """Delete an endpoint and revoke its certificates; return how many those were."""
        in_force = [c for c in self.certificates.certificates(endpoint.uuid) if not c.revoked]
        for certificate in in_force:
            self.certificates.revoke_certificate(certificate.serial)
        self.registry.delete_endpoint(endpoint.uuid, self.clock.now_ms())
        return len(in_force)

    def sign(self, endpoint: Endpoint, csr: str) -> dict[str, Any]:
        """Issue a certificate for a signing request.

        Raises:
            ProvisioningError: the request is no CSR, or its key is too weak.
        """
        issued = self._issue(endpoint.uuid, csr=csr)
        return {
            "certificate": issued.certificate_pem.decode(),
            "caCertificate": self.authority_pem,
            "serial": issued.serial,
            "notAfter": issued.not_after,
        }

    def provision_token(self, endpoint: Endpoint, properties: Mapping[str, Any]) -> str:
        """Return a single-use token, replacing earlier ones of the endpoint.

        Raises:
            ProvisioningError: a property would break stock devices.
        """
        for key, value in properties.items():
            name = key.removeprefix(_PREFIX)
            if name in _FATAL_KEYS:
                raise ProvisioningError(
                    f"{name} in the file keeps stock Python devices from connecting; leave it out"
                )
            if not name or not name.isascii() or any(c in "=: \t\r\n#!" for c in name):
                raise ProvisioningError(f"{key!r} is no name of a property")
            if not isinstance(value, str) or not value.isprintable():
                raise ProvisioningError(f"the property {key!r} must be one printable line of text")
        token = secrets.token_hex(32)
        expires_at = self.clock.now_ms() + PROVISION_TOKEN_LIFE_MS
        entry = ProvisionEntry(_digest(token), endpoint.uuid, expires_at, dict(properties))
        self.certificates.put_provision(entry)
        return token

    def redeem(self, token: str, public_key: str | None, name: str | None) -> Bundle | None:
        """Use a token up and return its bundle; None when it is unknown, used or expired.

        Raises:
            AddressError: ``name`` is no file name.
            ProvisioningError: ``public_key`` is no PEM of a strong enough key.
        """
        if name is not None:
            check_name(name)
        if public_key is not None:
            try:
                from_text(public_key)  # before the token is used up
            except AuthorityError as error:
                raise ProvisioningError(str(error)) from error
        entry = self.certificates.take_provision(_digest(token), self.clock.now_ms())
        if entry is None:
            return None
        endpoint = EndpointId(entry.endpoint)
        issued = self._issue(endpoint, public_key=public_key)
        note = ""
        if self.port != CLOUDIO_PORT:
            note = (
                f"the broker listens on port {self.port}, but stock cloud.iO devices connect to "
                f"{CLOUDIO_PORT} alone: serve {CLOUDIO_PORT} or give the device the port"
            )
        own = {key.removeprefix(_PREFIX): str(value) for key, value in entry.properties.items()}
        return Bundle(
            endpoint=endpoint,
            name=name or endpoint,
            properties={
                "uuid": endpoint,
                "hostUri": self.host,
                "messageFormat": "cbor",
                "ssl.authorityCert": f"{_DIRECTORY}/ca-cert.pem",
                "ssl.clientCert": f"{_DIRECTORY}/{endpoint}-client-cert.pem",
                "ssl.clientKey": f"{_DIRECTORY}/{endpoint}-private-key.pem",
            }
            | own,
            authority_pem=self.authority_pem,
            certificate_pem=issued.certificate_pem.decode(),
            key_pem=None if issued.private_key_pem is None else issued.private_key_pem.decode(),
            note=note,
        )

    def _issue(
        self, uuid: EndpointId, *, csr: str | None = None, public_key: str | None = None
    ) -> IssuedCertificate:
        endpoint = self.registry.endpoint(uuid)
        if endpoint.feed is Feed.APP:
            raise ProvisioningError("an app feeds this endpoint; create another for a device")
        try:
            issued = self.authority.issue_endpoint(uuid, csr=csr, public_key=public_key)
        except AuthorityError as error:
            raise ProvisioningError(str(error)) from error
        self.certificates.add_certificate(
            CertificateEntry(issued.serial, uuid, issued.fingerprint, issued.not_after)
        )
        return issued


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
