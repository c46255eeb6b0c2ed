"""Planted secrets are found nowhere: not in the home, its logs, its backups, nor in a process.

A platform is given one secret of every kind, uses each, is stopped and started, rotates its key
ring and is backed up. Then every byte that it left is searched, as are arguments and environment of
all of its processes.
"""

from __future__ import annotations

import base64
import os
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from security.encryption.keyring import KeyRing, Role
from tests.promises.locked import PASSPHRASE, LockedPlatform, running_locked
from tests.promises.platform import free_port, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ADAPTER_PASSWORD = "canary adapter password"
USER_PASSWORD = "canary password of a person"
ENCRYPTED = b"canary text that an application had encrypted"
CHUNK_BYTES = 4_000_000
APPLICATION = {"name": "Night watch", "grants": ["client_credentials"], "scopes": ["read"]}


@dataclass
class Traces:
    """What a run left, and what was planted in it."""

    planted: dict[str, bytes] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    processes: dict[str, bytes] = field(default_factory=dict)
    """Arguments and environment of each."""
    core_files: list[str] = field(default_factory=list)
    """How large each process lets a core file of its memory become."""


def forms(secret: bytes) -> list[bytes]:
    """Return a secret as it is, and as programs write bytes down."""
    url = base64.urlsafe_b64encode(secret).rstrip(b"=")
    plain = base64.b64encode(secret).rstrip(b"=")
    # What stands at the end of a group of three depends on what follows.
    return [secret, plain[:-2], url[:-2], secret.hex().encode(), secret.hex().upper().encode()]


def found_in(path: Path, secrets: Mapping[str, bytes]) -> Iterator[str]:
    """Yield the name of each secret that stands in a file."""
    needles = {name: forms(secret) for name, secret in secrets.items()}
    overlap = max(len(form) for found in needles.values() for form in found)
    with path.open("rb") as file:
        kept = b""
        while chunk := file.read(CHUNK_BYTES):
            if not chunk.strip(b"\0"):  # room that is kept free, many times what is written
                kept = b""
                continue
            text = kept + chunk
            yield from (n for n, found in needles.items() if any(form in text for form in found))
            kept = text[-overlap:]


def family(pid: int) -> Iterator[int]:
    """Yield a process and all that descend from it."""
    yield pid
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            yield from family(int(stat.parent.name))


def seen_of_processes(platform: LockedPlatform) -> dict[str, bytes]:
    """Return what anybody with the rights of the same user reads of each process."""
    assert platform.process is not None
    seen = {}
    for pid in family(platform.process.pid):
        folder = Path(f"/proc/{pid}")
        arguments = (folder / "cmdline").read_bytes()
        seen[f"{pid} {arguments[-60:]!r}"] = arguments + (folder / "environ").read_bytes()
    return seen


def core_files(platform: LockedPlatform) -> list[str]:
    """Return the line of each role's limits that tells of core files."""
    limits = (Path(f"/proc/{role['pid']}/limits").read_text() for role in platform.roles().values())
    lines = (line for text in limits for line in text.splitlines())
    return [line for line in lines if line.startswith("Max core file size")]


def plant_in_the_ring(ring: KeyRing) -> dict[str, bytes]:
    planted = {f"seed of {role}": ring.seed(role).encode() for role in Role}
    planted |= {f"version {n} of the ring": ring.key(n) or b"" for n in ring.versions}
    return planted | {
        "passphrase": PASSPHRASE.encode(),
        "unlock key": ring.unlock_key,
        "root secret": ring.ca_passphrase,
        "secret of the command line": ring.cli.encode(),
        "signing key of the record": ring.record_key.private_bytes_raw(),
    }


def private_keys(home: Path, passphrase: bytes) -> dict[str, bytes]:
    """Return the secret numbers of every key that lies in the home in PEM form."""
    found = {}
    for path in home.rglob("*.key"):
        key = serialization.load_pem_private_key(path.read_bytes(), passphrase)
        name = str(path.relative_to(home))
        if isinstance(key, rsa.RSAPrivateKey):
            numbers = key.private_numbers()
            for letter, number in (("d", numbers.d), ("p", numbers.p)):
                found[f"{letter} of {name}"] = number.to_bytes(-(-number.bit_length() // 8))
        else:
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            found[name] = key.private_numbers().private_value.to_bytes(key.key_size // 8)
    return found


def signing_keys(home: Path, ring: KeyRing) -> dict[str, bytes]:
    """Return the keys that tokens of applications are signed with."""
    envelope = ring.envelope("signing keys")
    with closing(sqlite3.connect(home / "registry.sqlite")) as registry:
        rows = registry.execute("SELECT kid, sealed FROM signing_key").fetchall()
    assert rows, "a token was signed"
    return {f"signing key {kid}": envelope.open(sealed, kid) for kid, sealed in rows}


def plant(platform: LockedPlatform, client: httpx.Client) -> dict[str, bytes]:
    """Have the platform keep, and use, one secret of every kind."""

    def made(verb: str, path: str, body: object = None, **query: str) -> Any:
        answer = client.request(verb, path, json=body, params=query)
        assert answer.is_success, answer.text
        is_json = "json" in answer.headers.get("content-type", "")
        return answer.json() if is_json else answer.text

    words = platform._command("adapter", "secret", "gateway", "--host", "127.0.0.1")
    subprocess.run(words, env=platform.environment(), input=ADAPTER_PASSWORD.encode(), check=True)
    made("PUT", "/connections/gateway", gateway())
    made("POST", "/users", {"name": "ada"})
    made("PATCH", "/users/ada", {"password": USER_PASSWORD})
    session = made("POST", "/login", {"name": "ada", "password": USER_PASSWORD})["token"]
    signed_in = httpx.post(
        f"{client.base_url}account/second-factor",
        headers={"Authorization": f"Bearer {session}"},
        json={"password": USER_PASSWORD},
    )
    assert signed_in.is_success, signed_in.text
    token = made("POST", "/tokens", {"label": "app", "scopes": ["read"]})["token"]
    webhook = {"url": "http://198.41.0.4:9/", "filter": {"text": "nothing"}}
    secret = made("POST", "/subscriptions", webhook)["secret"]
    uuid = made("POST", "/endpoints", None, friendlyName="lamp")["uuid"]
    spent = made("POST", f"/endpoints/{uuid}/provisionToken")
    bundle = httpx.get(f"{client.base_url}provision/{spent}")
    assert bundle.status_code == 200, bundle.text
    waiting = made("POST", f"/endpoints/{uuid}/provisionToken")
    made("POST", "/keys", {"name": "app-key", "use": "encrypt"})
    clear = base64.b64encode(ENCRYPTED).decode()
    sealed = made("POST", "/keys/app-key/encrypt", {"plaintext": clear})
    made("POST", "/keys/app-key/decrypt", {"ciphertext": sealed["ciphertext"]})
    application = made("POST", "/applications", APPLICATION)
    client_secret = application["client_secret"]
    access = httpx.post(
        f"http://{platform.http}/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=(application["client_id"], client_secret),
    )
    assert access.status_code == 200, access.text
    bearer = {"Authorization": f"Bearer {access.json()['access_token']}"}
    assert httpx.get(f"{client.base_url}account", headers=bearer).status_code == 200
    return {
        "second factor": signed_in.json()["secret"].encode(),
        "client secret": client_secret.encode(),
        "access token": access.json()["access_token"].encode(),
        "adapter password": ADAPTER_PASSWORD.encode(),
        "password": USER_PASSWORD.encode(),
        "session": session.encode(),
        "token": token.encode(),
        "webhook secret": secret.encode(),
        "webhook key": base64.b64decode(secret.removeprefix("whsec_")),
        "spent provisioning token": spent.encode(),
        "provisioning token": waiting.encode(),
        "key of a device": bundle_key(bundle),
        "encrypted text": ENCRYPTED,
    }


def gateway() -> dict[str, Any]:
    """Return a connection that tries its password again and again, since nobody listens."""
    return {
        "adapter": "mqtt",
        "config": {
            "host": "127.0.0.1",
            "port": free_port(),
            "client_id": "borough-bins",
            "username": "borough",
            "password": "gateway",
        },
        "profiles": [
            {
                "id": "bin",
                "revision": 1,
                "adapter": "mqtt",
                "points": [
                    {"id": "bin/fill/level", "address": {"path": "a"}, "raw": {"type": "number"}}
                ],
            }
        ],
        "devices": [
            {"id": "one", "friendly_name": "Bin", "profile": "bin", "config": {"topic": "a"}}
        ],
    }


def bundle_key(bundle: httpx.Response) -> bytes:
    """Return a line of the private key that the platform made for a device."""
    pem: str = bundle.json()["clientPrivateKey"]
    return pem.splitlines()[2].encode()


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traces]:
    folder = tmp_path_factory.mktemp("canaries")
    found = Traces()
    with running_locked(folder / "home") as platform:
        client = platform.client()
        found.planted = plant(platform, client)
        assert client.post("/keys/rotate").status_code == 202
        until(lambda: client.get("/keys/ring").json()["rewrap"]["done"], "the end of the re-wrap")
        assert client.get("/keys/ring").json()["rewrap"]["failures"] == []
        ring = platform.keys()
        found.planted |= plant_in_the_ring(ring) | private_keys(platform.files, ring.ca_passphrase)
        found.planted |= signing_keys(platform.files, ring)
        done = platform.call("backup", str(folder / "backup.tar"))
        assert done.returncode == 0, done.stderr
        found.processes = seen_of_processes(platform)
        found.core_files = core_files(platform)
        running = [path for path in platform.files.rglob("*") if path.is_file()]
        found.files = [folder / "backup.tar", *searched_now(running, found.planted, folder)]
        platform.stop()
        platform.start()
        found.processes |= seen_of_processes(platform)
        platform.stop()
        found.files += [path for path in platform.files.rglob("*") if path.is_file()]
        found.files += [platform._output, platform._errors]
        yield found


def searched_now(
    paths: Sequence[Path], planted: Mapping[str, bytes], folder: Path
) -> Iterator[Path]:
    """Yield copies of files that a running platform may take away any moment."""
    copies = folder / "while it ran"
    copies.mkdir()
    for number, path in enumerate(paths):
        copy = copies / f"{number} {path.name}"
        try:
            copy.write_bytes(path.read_bytes())
        except FileNotFoundError:
            continue
        yield copy


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    for number, form in enumerate(forms(PASSPHRASE.encode())):
        path = tmp_path / str(number)
        path.write_bytes(b"x" * (CHUNK_BYTES - 5) + form + b"y" * 100)
        assert list(found_in(path, {"passphrase": PASSPHRASE.encode()})) == ["passphrase"]


def test_no_file_holds_a_planted_secret(traces: Traces) -> None:
    assert len(traces.planted) >= 25 and all(len(s) >= 16 for s in traces.planted.values())
    names = {path.name for path in traces.files}
    assert {"registry.sqlite", "history.duckdb", "core.log", "keys.json", "backup.tar"} <= names
    found = {str(path): list(found_in(path, traces.planted)) for path in traces.files}
    assert {path: secrets for path, secrets in found.items() if secrets} == {}


def test_no_process_shows_one_in_its_arguments_or_environment(traces: Traces) -> None:
    assert len(traces.processes) >= 10, "two starts of five processes"
    told = {
        process: [
            name
            for name, secret in traces.planted.items()
            if any(form in shown for form in forms(secret))
        ]
        for process, shown in traces.processes.items()
    }
    assert {process: secrets for process, secrets in told.items() if secrets} == {}


def test_no_role_leaves_its_memory_on_a_disk(traces: Traces) -> None:
    assert len(traces.core_files) == 4
    assert all(line.split()[4:6] == ["0", "0"] for line in traces.core_files)


def test_each_process_was_looked_at_in_full(traces: Traces) -> None:
    home = os.fsencode("BOROUGH_HOME=")
    assert all(home in shown for shown in traces.processes.values())
