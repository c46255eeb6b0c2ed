"""``borough up``: prepares the home, starts the roles and watches over them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509

from borough.clock import MachineClock
from borough.console.beside import building
from borough.home import Home, HomeError, Lock
from borough.roles.field_report import read_report
from borough.roles.schema import migrate
from borough.roles.watch import PythonRole, Watch, check_port, free_port, held, http_ready
from borough.settings import Settings
from borough.wiring import BusAddress, create_keys, open_keys, write_bus
from ciaas.computing.broker.configuration import BrokerConfiguration, Listen, RoleKeys, check
from ciaas.computing.broker.errors import BrokerError
from ciaas.computing.broker.process import Broker
from security.encryption.authority import Authority
from security.encryption.certificates import AuthorityError
from security.encryption.keyring import KeyRing, Role

log = logging.getLogger(__name__)

_RENEW_DAYS = 30
"""The broker's certificate is renewed at a start when it would end so soon."""
_ALWAYS_NAMED = ("localhost", "127.0.0.1")


def up(home: Home, settings: Settings, on_ready: Callable[[], None]) -> int:
    """Run the platform until SIGTERM; returns the exit code.

    Raises:
        HomeError: it cannot start; the message is one sentence that says what to do.
    """
    home.prepare()
    if not settings.http.loopback:
        raise HomeError(
            f"the API speaks plain HTTP and may listen on loopback only, not on {settings.http}; "
            "set BOROUGH_HTTP to 127.0.0.1:PORT and put a TLS proxy in front"
        )
    with held(home) as locks:
        check_port("http", settings.http)
        check_port("mqtts", settings.mqtts)
        keys = open_keys(home) if home.keys.exists() else create_keys(home)
        migrate(home)
        broker = prepare_broker(home, settings, keys, locks["broker"])
        roles = (
            broker,
            PythonRole("core", home, locks["core"], lambda pid: http_ready(settings.http)),
            PythonRole(
                "field",
                home,
                locks["field"],
                lambda pid: read_report(home, pid) is not None,
            ),
        )
        with building(home, settings.console_build):
            return Watch(home, settings, roles).run(on_ready)


def prepare_broker(
    home: Home,
    settings: Settings,
    keys: KeyRing,
    lock: Lock,
    kind: type[BrokerConfiguration] = BrokerConfiguration,
) -> Broker:
    """Write the broker's configuration and certificate, and check both with the server itself.

    ``kind`` is another one only where a bench needs a broker that lets devices in otherwise.

    Raises:
        HomeError: the authority's files are damaged, or the server refuses its configuration.
    """
    authority = open_authority(home, keys)
    certificate, key = home.broker / "server.pem", home.broker / "server.key"
    names = {*_ALWAYS_NAMED, settings.mqtts.host, *settings.certificate_names}
    names = {name for name in names if not (_is_address(name) and ip_address(name).is_unspecified)}
    if not _serves(certificate, names):
        addresses = {name for name in names if _is_address(name)}
        issued = authority.issue_server(sorted(names - addresses), sorted(addresses))
        assert issued.private_key_pem is not None
        key.touch(0o600)
        key.write_bytes(issued.private_key_pem)
        certificate.write_bytes(issued.certificate_pem)
    address = BusAddress("127.0.0.1", free_port())
    configuration = kind(
        server_name="borough",
        nats=Listen(address.host, address.port),
        mqtts=Listen(settings.mqtts.host, settings.mqtts.port),
        store_dir=home.broker / "streams",
        log_file=home.broker / "nats.log",
        certificate_file=certificate,
        ca_file=home.authority / "ca.pem",
        keys=RoleKeys(**{role.value: keys.public(role) for role in Role}),
        sync_interval=settings.sync_interval,
        file_store_bytes_max=settings.broker_store_bytes,
    )
    path = home.broker / "nats.conf"
    clear_key = authority.decrypt_key(key.read_bytes())
    try:
        configuration.write(path)
        check(path, clear_key)
    except BrokerError as error:
        raise HomeError(str(error)) from error
    write_bus(home, address)
    return Broker(configuration, path, clear_key, lock_fd=lock.fileno())


def open_authority(home: Home, keys: KeyRing) -> Authority:
    """Return the certificate authority, made at the first start.

    Raises:
        HomeError: its files are damaged or do not belong to the key file.
    """
    passphrase, now_ms = keys.ca_passphrase, MachineClock().now_ms
    try:
        if (home.authority / "ca.pem").exists():
            return Authority.open(home.authority, passphrase, now_ms)
        return Authority.create(home.authority, passphrase, now_ms)
    except AuthorityError as error:
        raise HomeError(str(error)) from error


def _serves(certificate: Path, names: set[str]) -> bool:
    """Return True when the certificate is there, names them all and is good for a while."""
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (FileNotFoundError, ValueError):  # none, or one that a full disk left unfinished
        return False
    listed = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    named = {
        *listed.get_values_for_type(x509.DNSName),
        *map(str, listed.get_values_for_type(x509.IPAddress)),
    }
    left = found.not_valid_after_utc - datetime.now(UTC)
    return names <= named and left > timedelta(days=_RENEW_DAYS)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
