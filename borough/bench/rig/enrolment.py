"""Devices for a bench: endpoints and certificates by the public API, keys made on their side."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from borough.bench.limits import ENROL_PARALLEL
from borough.client import LocalClient

AUTHORITY_FILE = "authority.pem"


def enrol(client: LocalClient, project: str, count: int, folder: Path) -> Sequence[str]:
    """Create endpoints with a certificate each; returns their UUIDs.

    The folder then holds ``<uuid>.pem`` of each, certificate and key, and ``authority.pem``.

    Raises:
        HomeError: the platform refuses; the message says why.
    """
    folder.mkdir(mode=0o700)
    with ThreadPoolExecutor(ENROL_PARALLEL) as pool:
        return list(pool.map(lambda n: _enrol_one(client, project, n, folder), range(count)))


def _enrol_one(client: LocalClient, project: str, number: int, folder: Path) -> str:
    endpoint = str(uuid.uuid4())
    query = {"friendlyName": f"bench {number}", "project": project}
    client.call("POST", "/endpoints", {"uuid": endpoint}, **query)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, endpoint)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    csr = request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    issued = client.call("POST", f"/endpoints/{endpoint}/certificate", {"csr": csr})
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / f"{endpoint}.pem"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(issued["certificate"].encode() + secret)
    if number == 0:
        (folder / AUTHORITY_FILE).write_text(issued["caCertificate"])
    return endpoint
