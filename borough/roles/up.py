"""``borough up``: prepares the home, starts the roles and watches over them."""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable

from borough.clock import MachineClock
from borough.console.beside import building
from borough.home import Home, HomeError, Lock
from borough.roles import compose_report
from borough.roles.field_report import read_report
from borough.roles.renewed_broker import (
    BROKER_CERTIFICATE_DAYS,
    BrokerCertificate,
    RenewedBroker,
)
from borough.roles.schema import migrate
from borough.roles.watch import PythonRole, Watch, api_ready, check_port, free_port, held
from borough.settings import Settings
from borough.tls.certificate import ensure_certificate, names_of
from borough.tls.server import refuse_plain
from borough.unlock import key_for_children
from borough.wiring import BusAddress, complete_keys, create_keys, write_bus
from ciaas.computing.broker.configuration import BrokerConfiguration, Listen, RoleKeys, check
from ciaas.computing.broker.errors import BrokerError
from ciaas.computing.broker.process import Broker
from security.encryption import tiers
from security.encryption.authority import Authority
from security.encryption.certificates import AuthorityError
from security.encryption.keyring import KeyRing, Role

log = logging.getLogger(__name__)


def up(home: Home, settings: Settings, on_ready: Callable[[], None]) -> int:
    """Run the platform until SIGTERM; returns the exit code.

    Raises:
        HomeError: it cannot start; the message is one sentence that says what to do.
    """
    home.prepare()
    refuse_plain(settings)
    # A core file of any role would be its memory, with the keys in it, on a disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with held(home) as locks:
        check_port("http", settings.http)
        check_port("mqtts", settings.mqtts)
        if settings.est is not None:
            check_port("est", settings.est)
        keys = complete_keys(home) if home.keys.exists() else create_keys(home)
        unlock_key = key_for_children(keys)
        core = PythonRole(
            "core", home, locks["core"], lambda pid: api_ready(home, settings), unlock_key
        )
        core.load()
        migrate(home)
        broker = prepare_broker(home, settings, keys, locks["broker"])
        roles = (
            broker,
            core,
            PythonRole(
                "field",
                home,
                locks["field"],
                lambda pid: read_report(home, pid) is not None,
                unlock_key,
            ),
            PythonRole(
                "compose",
                home,
                locks["compose"],
                lambda pid: bool(compose_report.read_report(home, pid)),
                unlock_key,
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
    names = names_of(settings.mqtts.host, settings.certificate_names)
    try:
        ensure_certificate(authority, certificate, key, names, days=BROKER_CERTIFICATE_DAYS)
    except AuthorityError as error:
        raise HomeError(str(error)) from error
    address = BusAddress(
        "127.0.0.1",
        free_port(),
        str(home.authority / "ca.pem") if settings.bus_tls else "",
        settings.bus_client,
    )
    configuration = kind(
        server_name="borough",
        nats=Listen(address.host, address.port),
        mqtts=Listen(settings.mqtts.host, settings.mqtts.port),
        store_dir=home.broker / "streams",
        log_file=home.broker / "nats.log",
        certificate_file=certificate,
        ca_file=home.authority / tiers.CLIENTS,
        keys=RoleKeys(**{role.value: keys.public(role) for role in Role}),
        sync_interval=settings.sync_interval,
        file_store_bytes_max=settings.broker_store_bytes,
        roles_tls=settings.bus_tls,
    )
    path = home.broker / "nats.conf"
    clear_key = authority.decrypt_key(key.read_bytes())
    try:
        configuration.write(path)
        check(path, clear_key)
    except BrokerError as error:
        raise HomeError(str(error)) from error
    write_bus(home, address)
    renewed = BrokerCertificate(home, names, lambda: open_authority(home, keys))
    return RenewedBroker(configuration, path, clear_key, certificate=renewed, lock_fd=lock.fileno())


def open_authority(home: Home, keys: KeyRing) -> Authority:
    """Return the certificate authority, made at the first start.

    Raises:
        HomeError: its files are damaged or do not belong to the key file.
    """
    passphrase, now_ms = keys.ca_passphrase, MachineClock().now_ms
    try:
        if not tiers.generations(home.authority):
            return Authority.create(home.authority, passphrase, now_ms)
        tiers.publish(home.authority, now_ms())
        return Authority.open(home.authority, passphrase, now_ms)
    except AuthorityError as error:
        raise HomeError(str(error)) from error
