"""What a device is given to connect with, in the forms that cloud.iO's devices take.

Source: cloud.iO's provisioning answer and properties file, and how the stock Python client reads
it: with configobj, which takes a comma for a list and a quote for the beginning of a text.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ciaas.kernel.address import EndpointId
from ciaas.limits import PROPERTIES_PER_BUNDLE_MAX, PROPERTY_CHARS_MAX

PREFIX = "ch.hevs.cloudio.endpoint."
"""Of every key of the file."""

KEY_STORES_NEED_A_KEY = (
    "the key stores of a jar hold the private key: leave publicKey out, or ask for "
    "application/json and make the stores on the device"
)
_FATAL_KEYS = frozenset({"keepAliveInterval", "connectRetryInterval"})
"""In the file, either makes the stock Python client fail to connect or never reconnect."""
_OWN_KEYS = frozenset({"uuid"})
_NAME = re.compile(r"[A-Za-z][\w.-]*", re.ASCII)
_PORT = re.compile(r":[0-9]+$")
_LISTED = re.compile(r"[,#]")


class ProvisioningError(Exception):
    """The request cannot be met; the message says what to send instead."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """All that a device needs to connect."""

    endpoint: EndpointId
    name: str
    """File name of the properties, without its ending."""
    properties: Mapping[str, str]
    """Without the prefix of their keys."""
    authority_pem: str
    """The roots that it trusts."""
    chain_pem: str
    """Certificates between its own and the root; empty when there are none."""
    certificate_pem: str
    serial: str
    key_pem: str | None
    """None when the device made its own key."""
    notes: tuple[str, ...]
    """What a person should know before using it."""
    port: int = 8883
    """Of the broker; Java devices are told, the others know it."""

    def as_dict(self) -> dict[str, Any]:
        """Return cloud.iO's JSON form, with the notes."""
        answer: dict[str, Any] = {
            "endpoint": self.endpoint,
            "properties": {PREFIX + key: value for key, value in self.properties.items()},
            "caCertificate": self.authority_pem,
            "clientCertificate": self.certificate_pem,
        }
        if self.key_pem is not None:
            answer["clientPrivateKey"] = self.key_pem
        return answer | {"notes": list(self.notes)}

    def as_zip(self) -> bytes:
        """Return the archive to be unpacked into ``~/.config/cloud.io``."""
        files: dict[str, str | bytes] = {
            f"{self.name}.properties": self._properties_file(),
            "ca-cert.pem": self.authority_pem,
            f"{self.endpoint}-client-cert.pem": self.certificate_pem,
        }
        if self.key_pem is not None:
            files[f"{self.endpoint}-private-key.pem"] = self.key_pem
        return _archive(files)

    def as_jar(self) -> bytes:
        """Return the archive that cloud.iO's Java library unpacks into ``~/.config/cloud.io``.

        The names of its key stores are those that the library looks for by itself.

        Raises:
            ProvisioningError: the device made its own key, which a key store would have to hold.
        """
        if self.key_pem is None:
            raise ProvisioningError(KEY_STORES_NEED_A_KEY)
        # Imported here: key stores are asked for seldom, and core's start waits for no import.
        from security.encryption.key_stores import client_store, new_password, trust_store

        password = new_password()
        files_of_python = ("ssl.authorityCert", "ssl.clientCert", "ssl.clientKey")
        own = {key: value for key, value in self.properties.items() if key not in files_of_python}
        host = own["hostUri"].removeprefix("ssl://")
        own |= {
            "hostUri": f"ssl://{f'[{host}]' if ':' in host else host}:{self.port}",
            "ssl.clientPassword": password,
            "ssl.authorityPassword": password,
        }
        chain = self.certificate_pem + self.chain_pem
        files: dict[str, str | bytes] = {
            "META-INF/MANIFEST.MF": "Manifest-Version: 1.0\r\nCreated-By: Borough\r\n\r\n",
            f"{self.name}.properties": self._java_properties(own),
            "authority.jks": trust_store(self.authority_pem, password),
            f"{self.endpoint}.p12": client_store(self.key_pem, chain, password),
        }
        return _archive(files)

    def _java_properties(self, properties: Mapping[str, str]) -> str:
        """Return the file as Java reads it: ISO 8859-1 with escapes, no quotes around texts."""
        lines = [f"# {note}" for note in self.notes]
        for key, value in properties.items():
            escaped = value.replace("\\", "\\\\").encode("ascii", "backslashreplace").decode()
            lines.append(f"{PREFIX}{key} = {escaped}")
        return "\n".join(lines) + "\n"

    def _properties_file(self) -> str:
        lines = [f"# {note}" for note in self.notes]
        for key, value in self.properties.items():
            # Read as one text in quotes alone; cloud.iO's Java devices need no such value.
            quoted = f'"{value}"' if not value or _LISTED.search(value) else value
            lines.append(f"{PREFIX}{key} = {quoted}")
        return "\n".join(lines) + "\n"


def _archive(files: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def check_properties(properties: Mapping[str, str]) -> dict[str, str]:
    """Return properties of a user's own, without the prefix of their keys.

    Raises:
        ProvisioningError: one would break stock devices, or there are too many.
    """
    if len(properties) > PROPERTIES_PER_BUNDLE_MAX:
        raise ProvisioningError(f"a bundle has at most {PROPERTIES_PER_BUNDLE_MAX} own properties")
    checked: dict[str, str] = {}
    for key, value in properties.items():
        name = key.removeprefix(PREFIX)
        if not _NAME.fullmatch(name) or len(name) > PROPERTY_CHARS_MAX:
            raise ProvisioningError(f"{key[:64]!r} is no name of a property")
        if name in _FATAL_KEYS:
            raise ProvisioningError(
                f"{name} in the file keeps stock Python devices from connecting; leave it out"
            )
        if name in _OWN_KEYS:
            raise ProvisioningError(f"{name} is the endpoint's own; leave it out")
        if name == "hostUri" and _PORT.search(value):
            raise ProvisioningError(
                "hostUri with a port fails on stock devices; leave the port out"
            )
        checked[name] = _checked_value(name, value)
    return checked


def _checked_value(name: str, value: str) -> str:
    plain = value.isprintable() and value == value.strip() and not set(value) & set("\"'")
    if not plain or "%(" in value or len(value) > PROPERTY_CHARS_MAX:
        raise ProvisioningError(
            f"the property {name} must be one line of at most {PROPERTY_CHARS_MAX} printable "
            "characters without quotes, spaces at its ends or %("
        )
    return value
