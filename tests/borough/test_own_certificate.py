"""Core's own certificate as a client: the next handshake has the new one."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from borough.clock import MachineClock
from borough.home import Home
from borough.roles.own_certificate import OwnCertificate
from security.encryption.authority import Authority
from tests.security.encryption.test_authority import shake_hands


def test_it_is_renewed_in_the_context_that_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    home.authority.mkdir()
    authority = Authority.create(home.authority, b"passphrase", MachineClock().now_ms)
    server = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cafile=str(home.authority / "clients.pem")
    )
    server.verify_mode = ssl.CERT_REQUIRED
    issued = authority.issue_server(["localhost"], [])
    assert issued.private_key_pem is not None
    own = tmp_path / "server.pem"
    own.write_bytes(issued.certificate_pem + authority.decrypt_key(issued.private_key_pem))
    server.load_cert_chain(own)

    certificate = OwnCertificate(home, authority)

    def shown() -> bytes:
        found = shake_hands(server, certificate.context, "localhost").getpeercert(binary_form=True)
        assert found is not None
        return found

    first = shown()
    assert certificate.look() is False
    assert shown() == first
    far = MachineClock().now_ms() / 1000 + 61 * 86_400  # two thirds of 90 days are over
    monkeypatch.setattr("time.time", lambda: far)
    assert certificate.look() is True
    assert shown() != first
