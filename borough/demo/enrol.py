"""Enrolment of the quarter through the public API; done again, it changes nothing."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path as FilePath
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from borough.demo.city.plan import measurands
from borough.demo.city.thing import Thing
from borough.demo.concurrency import all_of
from borough.demo.limits import ENROL_PARALLEL_MAX
from borough.demo.platform_api import Platform, PlatformError
from borough.demo.recordings.replay import DAY_MS

PROJECT = "quarter"
PAST_DAYS = 14
_LIST_PAGE = 1_000
_CERTIFICATE_DAYS_MIN = 7


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the demo keeps what is the devices' own, below its home."""

    home: FilePath

    @property
    def identities(self) -> FilePath:
        """Keys and certificates of the devices."""
        return self.home / "devices"

    @property
    def ledgers(self) -> FilePath:
        """Ledgers that are not settled yet."""
        return self.home / "ledgers"

    @property
    def authority(self) -> FilePath:
        """The authority's certificate that the devices trust."""
        return self.home / "authority.pem"

    @property
    def recordings(self) -> FilePath:
        """Recordings as they were read."""
        return self.home / "recordings"

    @property
    def notes(self) -> FilePath:
        """What is enrolled, and which past the devices bring along."""
        return self.home / "enrolled.json"

    def make(self) -> None:
        """Create the folders; only the owner may look into them."""
        for folder in (self.home, self.identities, self.ledgers):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@dataclass(slots=True)
class Notes:
    """What an earlier start did."""

    past: tuple[int, int]
    """From and to of the past, in milliseconds since 1970 UTC; fixed at the first start."""
    overlays: dict[str, str]
    """Scope to the digest of the overlay it was told."""

    @staticmethod
    def read(path: FilePath) -> Notes:
        """Return the notes; at a first start the past ends now."""
        if path.exists():
            stored = json.loads(path.read_text())
            return Notes((stored["past"][0], stored["past"][1]), stored["overlays"])
        now = round(time.time() * 1_000)
        return Notes((now - PAST_DAYS * DAY_MS, now), {})

    def write(self, path: FilePath) -> None:
        """Store the notes whole or not at all."""
        trial = path.with_suffix(".new")
        trial.write_text(json.dumps({"past": self.past, "overlays": self.overlays}))
        trial.replace(path)


async def enrol(
    platform: Platform,
    things: Sequence[Thing],
    folders: Folders,
    connections: Awaitable[Sequence[dict[str, Any]]],
) -> Notes:
    """Make the platform know the things: project, endpoints, overlays, certificates, connection.

    Args:
        platform: signed in as an administrator.
        things: the quarter.
        folders: where the devices keep keys and certificates.
        connections: gives the connection documents once the servers in them listen.

    Raises:
        PlatformError: the platform refused something.
    """
    folders.make()
    notes = Notes.read(folders.notes)
    await _project(platform)
    known = await _known(platform)
    authority = await platform.text("/ca-certificate")
    anew = not folders.authority.exists() or folders.authority.read_text() != authority
    if anew:
        folders.authority.write_text(authority)  # nobody reads it yet
    gate = asyncio.Semaphore(ENROL_PARALLEL_MAX)

    async def enrol_one(thing: Thing) -> None:
        async with gate:
            if thing.uuid not in known:
                await _create(platform, thing)
            if anew or not _valid(folders.identities, thing.uuid):
                await _certify(platform, thing.uuid, folders.identities)
            await _describe(platform, notes, thing.uuid, _facts(thing, notes.past))

    async def describe_class(name: str, overlay: dict[str, Any]) -> None:
        async with gate:
            await _describe(platform, notes, f"class:{name}", overlay)

    await all_of(
        *(enrol_one(thing) for thing in things),
        *(describe_class(m.conforms, m.overlay()) for m in measurands(tuple(things))),
    )
    for document in await connections:
        path = f"/connections/{document['name']}"
        await platform.send("PUT", path, document, {"project": PROJECT})
    # Last: a polled thing must be the adapter's before its past is uploaded by its own certificate.
    notes.write(folders.notes)
    return notes


def enrolled(things: Sequence[Thing], folders: Folders) -> bool:
    """Return True when every thing holds its certificate from an earlier start."""
    return folders.notes.exists() and all(
        _valid(folders.identities, thing.uuid) for thing in things
    )


async def _project(platform: Platform) -> None:
    names = {project["name"] for project in await platform.get("/projects")}
    if PROJECT not in names:
        await platform.send("POST", "/projects", {"name": PROJECT})


async def _known(platform: Platform) -> set[str]:
    """Return the UUIDs of the project's endpoints."""
    known: set[str] = set()
    query: dict[str, Any] = {"project": PROJECT, "limit": _LIST_PAGE}
    while page := await platform.get("/endpoints", query):
        known.update(endpoint["uuid"] for endpoint in page)
        query["after"] = page[-1]["uuid"]
        if len(page) < _LIST_PAGE:
            break
    return known


async def _create(platform: Platform, thing: Thing) -> None:
    body = {"uuid": thing.uuid, "metaData": {"kind": thing.kind, "origin": str(thing.origin)}}
    try:
        await platform.send(
            "POST", "/endpoints", body, {"friendlyName": thing.name, "project": PROJECT}
        )
    except PlatformError as error:
        raise PlatformError(
            f"{thing.name} cannot be enrolled ({error}); if its endpoint {thing.uuid} was deleted,"
            " start the demo with another home"
        ) from error


def _facts(thing: Thing, past: tuple[int, int]) -> dict[str, Any]:
    """Return the endpoint's overlay, which says what of its history was brought along."""
    start, end = (datetime.fromtimestamp(edge / 1_000, UTC).isoformat() for edge in past)
    return {**thing.overlay(), "backfilled": {"from": start, "to": end}}


async def _describe(platform: Platform, notes: Notes, scope: str, overlay: dict[str, Any]) -> None:
    digest = sha256(json.dumps(overlay, sort_keys=True).encode()).hexdigest()
    if notes.overlays.get(scope) != digest:
        await platform.send("PATCH", f"/metadata/{quote(scope)}", overlay)
        notes.overlays[scope] = digest


async def _certify(platform: Platform, uuid: str, folder: FilePath) -> None:
    """Make a key on the device's side and have a certificate issued for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, uuid),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "client"),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    csr = request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    issued = await platform.send("POST", f"/endpoints/{uuid}/certificate", {"csr": csr})
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write_private(folder / f"{uuid}.key", secret)
    (folder / f"{uuid}.pem").write_text(issued["certificate"])


def _write_private(path: FilePath, content: bytes) -> None:
    """Write a file that was never readable for others."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _valid(folder: FilePath, uuid: str) -> bool:
    """Return True when the device holds a key and a certificate that does not end soon."""
    certificate, key = folder / f"{uuid}.pem", folder / f"{uuid}.key"
    if not (certificate.exists() and key.exists()):
        return False
    ends = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    return ends - datetime.now(UTC) > timedelta(days=_CERTIFICATE_DAYS_MIN)
