"""The demo trusts the platform's own authority, which may not exist yet when it begins."""

from __future__ import annotations

import asyncio
import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from borough.clock import MachineClock
from borough.demo.platform_api import Platform, PlatformError
from security.encryption.authority import Authority


class Projects(http.server.BaseHTTPRequestHandler):
    """Answers every question with an empty list."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")
    return Authority.create(folder, b"passphrase", MachineClock().now_ms)


@pytest.fixture
def url(authority: Authority, tmp_path: Path) -> Iterator[str]:
    issued = authority.issue_server([], ["127.0.0.1"])
    assert issued.private_key_pem is not None
    (tmp_path / "cert.pem").write_bytes(issued.certificate_pem)
    (tmp_path / "key.pem").write_bytes(authority.decrypt_key(issued.private_key_pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server = http.server.HTTPServer(("127.0.0.1", 0), Projects)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


async def asked(url: str, ca: Path, comes: Callable[[], object] | None) -> object:
    async with Platform(url, None, str(ca)) as platform:
        if comes is not None:
            comes()
            platform.sign_in("token")
        return await platform.get("/projects")


def test_who_signs_in_trusts_the_authority_by_then(
    url: str, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = tmp_path / "ca.pem"
    assert not ca.exists()
    assert asyncio.run(asked(url, ca, lambda: ca.write_bytes(authority.anchors_pem))) == []
    monkeypatch.setattr("borough.demo.platform_api.ANSWER_S_MAX", 0.0)
    with pytest.raises(PlatformError, match="CERTIFICATE_VERIFY_FAILED"):
        asyncio.run(asked(url, ca, None))
