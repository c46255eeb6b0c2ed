"""The port for EST over a house: real TLS, the real authority, and no broker."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from borough.home import Home
from borough.roles.est import serving_est
from borough.settings import Listen, Settings
from borough.tls.est import EstTls
from borough_client.device import Identity
from cpaas.access.app import create_app
from security.encryption.authority import Authority
from security.ports import CertificateEntry
from tests.cpaas.conftest import House


@dataclass
class EstPort:
    """Where it listens, and the roots that a client of it trusts."""

    url: str
    anchors: Path
    authority: Authority
    house: House

    def certificate_of(self, identity: Identity, days: float) -> str:
        """Return another certificate for a device's key, in PEM; its life may be short."""
        key = serialization.load_pem_private_key(identity.key.read_bytes(), None)
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        issued = self.authority.issue_endpoint(identity.uuid, public_key=public.decode(), days=days)
        entry = CertificateEntry(issued.serial, identity.uuid, issued.fingerprint, issued.not_after)
        self.house.registry.certificates.add_certificate(entry)
        return issued.certificate_pem.decode()


@contextmanager
def est_port(house: House, folder: Path) -> Iterator[EstPort]:
    """Serve the house's application on a port for EST, from a thread."""
    home = Home(folder / "est-home")
    home.path.mkdir()
    home.authority.mkdir()
    authority = house.city.provisioning.authority
    (home.authority / "ca.pem").write_bytes(authority.anchors_pem)
    (home.authority / "clients.pem").write_bytes(authority.clients_pem)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        listen = Listen("127.0.0.1", probe.getsockname()[1])
    tls = EstTls(home, Settings(home=home.path), listen, authority, b"passphrase")
    loop, up, ended = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with serving_est(create_app(house.city), listen, tls):
            up.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert up.wait(10)
    try:
        yield EstPort(f"https://{listen}", home.authority / "ca.pem", authority, house)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
