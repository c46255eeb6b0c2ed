"""TLS of the API: which certificate, who trusts it, and a new one without ending a connection."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from starlette.types import Receive, Scope, Send

from borough.clock import MachineClock
from borough.home import Home, HomeError
from borough.roles.http import serving
from borough.settings import Listen, Settings, SettingsError, load_settings
from borough.tls.certificate import ensure_certificate, names_of
from borough.tls.local import local_context, own_certificate
from borough.tls.server import ServerTls, open_tls, refuse_plain
from security.encryption.authority import Authority

PASSPHRASE = b"passphrase"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")
    return Authority.create(folder, PASSPHRASE, MachineClock().now_ms)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.authority.mkdir()
    return home


def settings_of(home: Home, **more: object) -> Settings:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        listen = Listen("127.0.0.1", probe.getsockname()[1])
    return Settings.model_validate({"home": home.path, "http": listen, **more})


def put_files(authority: Authority, folder: Path, name: str = "city.example") -> dict[str, Path]:
    """Put a certificate of another server and its clear key, as a city's own would be given."""
    issued = authority.issue_server([name], [])
    assert issued.private_key_pem is not None
    files = {"https_cert": folder / "city.pem", "https_key": folder / "city.key"}
    files["https_key"].write_bytes(authority.decrypt_key(issued.private_key_pem))
    files["https_cert"].write_bytes(issued.certificate_pem)
    return files


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["scheme"].encode()})


@contextmanager
def served(tls: ServerTls, settings: Settings) -> Iterator[None]:
    loop, up, ended = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with serving(tls.protect(hello), settings.http, tls.context):
            up.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert up.wait(10)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def connect(settings: Settings, context: ssl.SSLContext | None) -> http.client.HTTPSConnection:
    return http.client.HTTPSConnection(*settings.http, timeout=10, context=context)


def ask(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert answer.read() == b"https"
    return answer


def shown(connection: http.client.HTTPSConnection) -> str:
    assert isinstance(connection.sock, ssl.SSLSocket)
    return hashlib.sha256(connection.sock.getpeercert(binary_form=True) or b"").hexdigest()


def test_the_own_authority_serves_and_clients_of_this_machine_trust_it(
    home: Home, authority: Authority
) -> None:
    settings = settings_of(home, https=True)
    with pytest.raises(HomeError, match=r"start it: borough up"):
        local_context(home, settings)
    tls = open_tls(home, settings, authority, PASSPHRASE)
    assert tls is not None
    with served(tls, settings):
        connection = connect(settings, local_context(home, settings))
        assert ask(connection).getheader("Strict-Transport-Security") is None
        connection.close()
        trusting = ssl.create_default_context(cadata=authority.anchors_pem.decode())
        connection = connect(settings, trusting)
        ask(connection)  # by its address, which the certificate names
        connection.close()
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(settings, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)).connect()
    assert b"ENCRYPTED" in (home.authority / "https.key").read_bytes()


def test_a_new_certificate_is_served_and_connections_under_way_go_on(
    home: Home, authority: Authority, tmp_path: Path
) -> None:
    files = put_files(authority, tmp_path)
    settings = settings_of(home, **files)
    tls = ServerTls(home, settings, authority, PASSPHRASE)
    with served(tls, settings):
        old = connect(settings, local_context(home, settings))
        assert ask(old).getheader("Strict-Transport-Security") == "max-age=31536000"
        before = shown(old)
        assert tls.look() is False
        put_files(authority, tmp_path)
        assert tls.look() is True
        new = connect(settings, local_context(home, settings))
        ask(new)
        assert shown(new) != before
        ask(old)
        assert shown(old) == before
        old.close()
        new.close()


def test_files_that_do_not_belong_together_change_nothing(
    home: Home, authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = put_files(authority, tmp_path)
    settings = settings_of(home, **files)
    trusted = local_context(home, settings)
    tls = ServerTls(home, settings, authority, PASSPHRASE)
    with served(tls, settings):
        files["https_key"].write_bytes(b"no key")
        assert tls.look() is False
        assert "goes on with the certificate that it has" in caplog.text
        files["https_cert"].unlink()
        assert tls.look() is False
        connection = connect(settings, trusted)
        ask(connection)
        connection.close()


def test_unusable_files_end_the_start_with_one_sentence(home: Home, authority: Authority) -> None:
    settings = settings_of(home, https_cert=home.path / "no.pem", https_key=home.path / "no.key")
    with pytest.raises(HomeError, match="https_cert names a PEM file"):
        ServerTls(home, settings, authority, PASSPHRASE)


def test_the_own_certificate_is_renewed_before_its_end_and_for_new_names(
    home: Home, authority: Authority
) -> None:
    certificate, key = own_certificate(home), home.authority / "https.key"
    names = names_of("0.0.0.0", ["city.example"])
    assert names == {"localhost", "127.0.0.1", "city.example"}
    assert ensure_certificate(authority, certificate, key, names) is True
    assert ensure_certificate(authority, certificate, key, names) is False
    assert ensure_certificate(authority, certificate, key, names | {"192.0.2.1"}) is True
    short = authority.issue_server(sorted(names), [], days=100 / 86_400)
    certificate.write_bytes(short.certificate_pem)
    assert ensure_certificate(authority, certificate, key, names) is True
    serialization.load_pem_private_key(key.read_bytes(), PASSPHRASE)
    assert key.stat().st_mode & 0o777 == 0o600


def test_off_loopback_plain_http_is_refused(home: Home) -> None:
    open_to_all = {"http": Listen("0.0.0.0", 8080)}
    with pytest.raises(HomeError, match="BOROUGH_HTTPS=true"):
        refuse_plain(settings_of(home, **open_to_all))
    refuse_plain(settings_of(home, https=True, **open_to_all))
    refuse_plain(settings_of(home))
    assert settings_of(home, https=True, **open_to_all).base_url == "https://127.0.0.1:8080"
    assert settings_of(home).base_url.startswith("http://127.0.0.1:")
    assert open_tls(home, settings_of(home), None, b"") is None  # type: ignore[arg-type] # not asked


def test_a_certificate_without_its_key_is_no_setting(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOROUGH_HOME", str(home.path))
    monkeypatch.setenv("BOROUGH_HTTPS_CERT", "city.pem")
    with pytest.raises(SettingsError, match="given together"):
        load_settings()
