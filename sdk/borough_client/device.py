"""A device's identity in files, enrolled and renewed by EST (RFC 7030).

For devices of their own and for those with a stock cloud.iO library, whose files it keeps fresh.
Needs the package `cryptography`: ``pip install borough-client[device]``.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from borough_client.errors import Unreachable, refused
from borough_client.limits import EST_ANSWER_BYTES_MAX, RENEWAL_SHARE, TIMEOUT_S

_WELL_KNOWN = "/.well-known/est"


@dataclass(frozen=True, slots=True)
class Identity:
    """The files by which one device proves who it is."""

    uuid: str
    """Of its endpoint."""
    certificate: Path
    key: Path
    """Private key in PEM without a passphrase; it stays what it is when the certificate renews."""
    anchors: Path
    """Roots that the device trusts."""

    @staticmethod
    def of_bundle(folder: Path | str) -> Identity:
        """Return the identity that a bundle was unpacked as.

        Raises:
            FileNotFoundError: the folder holds none, or more than one.
        """
        folder = Path(folder)
        found = sorted(folder.glob("*-client-cert.pem"))
        if len(found) != 1:
            raise FileNotFoundError(f"{folder} holds {len(found)} client certificates, not one")
        uuid = found[0].name.removesuffix("-client-cert.pem")
        return Identity(uuid, found[0], folder / f"{uuid}-private-key.pem", folder / "ca-cert.pem")

    @staticmethod
    def enrol(url: str, uuid: str, token: str, folder: Path | str, anchors: Path) -> Identity:
        """Make a key on the device and fetch a certificate for it.

        Args:
            url: Of the platform's EST port, such as ``https://devices.city.example:8443``.
            uuid: Of the endpoint.
            token: Its provision token, or one of somebody who may configure it.
            folder: Where the files go, under a bundle's names.
            anchors: File of the roots to trust; it is copied.

        Raises:
            Refused: the platform said no.
            Unreachable: nobody answers, or somebody whom the roots do not vouch for.
        """
        folder = Path(folder)
        made = Identity(
            uuid,
            folder / f"{uuid}-client-cert.pem",
            folder / f"{uuid}-private-key.pem",
            folder / "ca-cert.pem",
        )
        key = ec.generate_private_key(ec.SECP256R1())
        subject = [
            x509.NameAttribute(NameOID.COMMON_NAME, uuid),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "client"),
        ]
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
        der = request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
        _replace(made.anchors, anchors.read_bytes())
        with _client(url, made.anchors, auth=(uuid, token)) as http:
            certificate = _fetched(http, "simpleenroll", der)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        _replace(made.key, pem)
        _replace(made.certificate, certificate)
        return made

    def ends(self) -> datetime:
        """Return when the certificate ends."""
        return self._certificate().not_valid_after_utc

    def due(self, now: datetime | None = None) -> bool:
        """Tell whether two thirds of the certificate's life are over."""
        own = self._certificate()
        begun, ends = own.not_valid_before_utc, own.not_valid_after_utc
        return (now or datetime.now(UTC)) >= begun + (ends - begun) * RENEWAL_SHARE

    def renew(self, url: str) -> None:
        """Fetch the successor of the certificate, and the roots as they are now.

        Each file is replaced whole; the certificate before stays good until its end.

        Args:
            url: As of `enrol`.

        Raises:
            Refused: the platform said no; an ended or revoked certificate has to be enrolled anew.
            Unreachable: as of `enrol`.
        """
        own = self._certificate()
        key = serialization.load_pem_private_key(self.key.read_bytes(), None)
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise ValueError(f"{self.key} holds a key of a kind that no device has")
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        request = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(own.subject)
            .add_extension(names, critical=False)
            .sign(key, hashes.SHA256())
        )
        der = request.public_bytes(serialization.Encoding.DER)
        with _client(url, self.anchors, identity=(self.certificate, self.key)) as http:
            certificate = _fetched(http, "simplereenroll", der)
            roots = _asked(http, "GET", "cacerts")
        _replace(self.certificate, certificate)
        anchors = b"".join(_pem(one) for one in roots if one.subject == one.issuer)
        if anchors:
            _replace(self.anchors, anchors)

    def _certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate.read_bytes())


def _client(url: str, anchors: Path, *, identity: Any = None, auth: Any = None) -> httpx.Client:
    context = ssl.create_default_context(cafile=str(anchors))
    if identity is not None:
        context.load_cert_chain(*identity)
    return httpx.Client(
        base_url=url.rstrip("/") + _WELL_KNOWN, verify=context, auth=auth, timeout=TIMEOUT_S
    )


def _fetched(http: httpx.Client, operation: str, der: bytes) -> bytes:
    """Return the certificate that was issued, in PEM."""
    [certificate] = _asked(http, "POST", operation, base64.b64encode(der))
    return _pem(certificate)


def _asked(
    http: httpx.Client, verb: str, operation: str, body: bytes | None = None
) -> list[x509.Certificate]:
    headers = {} if body is None else {"Content-Type": "application/pkcs10"}
    try:
        answer = http.request(verb, f"/{operation}", content=body, headers=headers)
    except httpx.TransportError as error:
        raise Unreachable(f"{operation}: {type(error).__name__}: {error}") from error
    if not answer.is_success:
        try:
            problem = answer.json()
        except json.JSONDecodeError:
            problem = {}
        raise refused(answer.status_code, problem if isinstance(problem, dict) else {})
    try:
        if len(answer.content) > EST_ANSWER_BYTES_MAX:
            raise ValueError("it is too long")
        return list(pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer.content)))
    except ValueError as error:
        raise Unreachable(f"{operation}: the answer holds no certificates ({error})") from error


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _replace(path: Path, content: bytes) -> None:
    """Put a file of its owner's alone into the place of another, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
