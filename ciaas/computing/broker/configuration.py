"""The configuration file of nats-server: written whole, checked by the server itself.

One option stands on each line, because two on a line without a comma are a parse error. The key of
the MQTT listener is not named here: the file refers to the variable TLS_KEY_VARIABLE, which the
start sets to an in-memory file, so that the key never lies on a disk in clear.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import subprocess
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ciaas.computing.broker.errors import ConfigurationRefused
from ciaas.computing.broker.executable import find_nats_server
from ciaas.computing.broker.secret import TLS_KEY_VARIABLE, key_in_memory
from ciaas.computing.commands.paper import FIELD_SUBJECT
from ciaas.limits import (
    BROKER_CONNECTIONS_MAX,
    BROKER_CONSUMERS_MAX,
    BROKER_LOG_BYTES_MAX,
    BROKER_LOG_FILES_MAX,
    BROKER_PAYLOAD_BYTES_MAX,
    BROKER_UNACKNOWLEDGED_MAX,
    COMMAND_VERIFY_S_MAX,
)

CITY = "CITY"
"""Account of the roles and of every device."""

_NKEY = re.compile(r"[UA][A-Z2-7]{55}")
_SYNC = re.compile(r"always|[1-9][0-9]*(ms|s|m)")
_CHECK_S = 20


class Listen(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class RoleKeys:
    """Public nkeys. All are users (U…) but ``issuer``, which is an account (A…)."""

    core: str
    field: str
    compose: str
    sys: str
    auth: str
    issuer: str
    """Signs what the admission grants to devices."""


@dataclass(frozen=True, slots=True)
class BrokerConfiguration:
    """Everything that the broker's file says.

    Raises:
        ValueError: a value that the broker would not take, or would take in another sense.
    """

    server_name: str
    nats: Listen
    """For the roles; loopback only."""
    mqtts: Listen
    store_dir: Path
    log_file: Path
    certificate_file: Path
    ca_file: Path
    """Certificates of devices must be signed by this authority."""
    keys: RoleKeys
    sync_interval: str = "1s"
    """How long an accepted message may wait for fsync; ``always`` for none (a tenth the rate)."""
    file_store_bytes_max: int = 20 * 1024**3
    connections_max: int = BROKER_CONNECTIONS_MAX
    log_bytes_max: int = BROKER_LOG_BYTES_MAX
    roles_tls: bool = False
    """The roles' port speaks TLS too, with the same certificate."""

    def __post_init__(self) -> None:
        if not ipaddress.ip_address(self.nats.host).is_loopback:
            raise ValueError(f"the roles' port must be on loopback, not on {self.nats.host}")
        if not _SYNC.fullmatch(self.sync_interval):
            raise ValueError(
                f"sync_interval is {self.sync_interval!r}: write 'always' or a time such as '1s'"
            )
        for role in ("core", "field", "sys", "auth", "issuer"):
            key, kind = getattr(self.keys, role), "A" if role == "issuer" else "U"
            if not (_NKEY.fullmatch(key) and key[0] == kind):
                raise ValueError(f"the nkey of {role} is no public key that begins with {kind}")

    def render(self) -> str:
        """Return the file's text."""
        return "".join((self._server(), self._mqtt(), self._accounts()))

    def write(self, path: Path) -> None:
        """Replace the file at once; after a crash either the old or the new one is there."""
        fresh = path.with_name(path.name + ".new")
        with fresh.open("w", encoding="utf-8") as file:
            file.write(self.render())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)

    def _server(self) -> str:
        return textwrap.dedent(f"""\
            server_name: {_quoted(self.server_name)}
            listen: {_quoted(self.nats)}
            {self._roles_tls()}
            max_payload: {BROKER_PAYLOAD_BYTES_MAX}
            max_connections: {self.connections_max}
            log_file: {_quoted(self.log_file)}
            logfile_size_limit: {self.log_bytes_max}
            logfile_max_num: {BROKER_LOG_FILES_MAX}
            logtime_utc: true
            jetstream {{
              store_dir: {_quoted(self.store_dir)}
              max_file_store: {self.file_store_bytes_max}
              sync_interval: {_quoted(self.sync_interval)}
              limits {{
                default_max_consumers: {BROKER_CONSUMERS_MAX}
              }}
            }}
            """)

    def _roles_tls(self) -> str:
        if not self.roles_tls:
            return ""
        return (
            f"tls {{ cert_file: {_quoted(self.certificate_file)}, key_file: ${TLS_KEY_VARIABLE}, "
            'min_version: "1.2", timeout: 5 }'
        )

    def _mqtt(self) -> str:
        return textwrap.dedent(f"""\
            mqtt {{
              listen: {_quoted(self.mqtts)}
              ack_wait: "30s"
              max_ack_pending: {BROKER_UNACKNOWLEDGED_MAX}
              tls {{
                cert_file: {_quoted(self.certificate_file)}
                key_file: ${TLS_KEY_VARIABLE}
                ca_file: {_quoted(self.ca_file)}
                verify: true
                min_version: "1.2"
                timeout: 5
              }}
            }}
            """)

    def _accounts(self) -> str:
        keys = self.keys
        auth = _user(keys.auth, publish=(), subscribe=("$SYS.REQ.USER.AUTH",), responses="true")
        field = _user(
            keys.field,
            publish=("uplink.field.>", "field.sightings"),
            subscribe=("_INBOX.field.>", "registry.changed", FIELD_SUBJECT),
            # it answers each request once, and while core waits for the answer
            responses=f'{{ max: 1, expires: "{round(COMMAND_VERIFY_S_MAX) + 60}s" }}',
        )
        compose = _user(
            keys.compose,
            publish=(
                "uplink.compose.>",
                "$JS.API.STREAM.INFO.LIVE",
                "$JS.API.CONSUMER.CREATE.LIVE",
                "$JS.API.CONSUMER.CREATE.LIVE.>",
                "$JS.API.CONSUMER.MSG.NEXT.LIVE.>",
                "command.request",
                "compose.settled",
            ),
            subscribe=("_INBOX.compose.>", "registry.changed"),
        )
        sys = _user(
            keys.sys,
            publish=("$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.SERVER.*.KICK"),
            subscribe=("_INBOX.sys.>", f"$SYS.ACCOUNT.{CITY}.*"),
        )
        # A user that bypasses the callout and has no connection types of its own could come in by
        # MQTT with any device's certificate, and would be granted "#" there.
        core = f'{{ nkey: {keys.core}, allowed_connection_types: ["STANDARD"] }}'
        bypass = ", ".join((keys.auth, keys.core, keys.field, keys.compose, keys.sys))
        return textwrap.dedent(f"""\
            accounts {{
              AUTH {{
                users: [
                  {auth}
                ]
              }}
              {CITY} {{
                jetstream: enabled
                users: [
                  {core}
                  {field}
                  {compose}
                ]
              }}
              SYS {{
                users: [
                  {sys}
                ]
              }}
            }}
            system_account: SYS
            authorization {{
              timeout: 2
              auth_callout {{
                issuer: {keys.issuer}
                account: AUTH
                auth_users: [ {bypass} ]
              }}
            }}
            """)


def check(path: Path, key_pem: bytes, executable: Path | None = None) -> None:
    """Let the server itself check the file together with the listener's key.

    Raises:
        ConfigurationRefused: with the server's words.
    """
    with key_in_memory(key_pem) as key:
        done = subprocess.run(  # noqa: S603 - no shell, and the program is the pinned server
            [str(find_nats_server(executable)), "-t", "-c", str(path)],
            env=key.environment,
            pass_fds=[key.fd],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_CHECK_S,
            check=False,
        )
    if done.returncode != 0:
        words = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise ConfigurationRefused(f"nats-server refuses its configuration: {words}")


def _user(key: str, publish: Sequence[str], subscribe: Sequence[str], responses: str = "") -> str:
    allow = ", ".join(
        [f"publish: {json.dumps(publish)}", f"subscribe: {json.dumps(subscribe)}"]
        + ([f"allow_responses: {responses}"] if responses else [])
    )
    return f'{{ nkey: {key}, allowed_connection_types: ["STANDARD"], permissions: {{ {allow} }} }}'


def _quoted(value: object) -> str:
    text = str(value)
    if not text.isprintable():
        raise ValueError(
            f"{text!r} holds a control character and cannot stand in the broker's file"
        )
    return json.dumps(text, ensure_ascii=False)
