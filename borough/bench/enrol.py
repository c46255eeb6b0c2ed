"""Bench ``enrol``: sheets of devices become endpoints with tokens, and tokens certificates.

``batch`` is the time from sending a sheet of 10,000 devices until every endpoint stands with its
overlay, its group and its token, on a running platform with everything on. The baseline writes the
same rows into the same tables of a registry in one plain SQLite transaction, synced at its end.

``redeem`` is how many tokens a second devices turn into certificates for keys of their own. The
baseline is the signing alone, on one core, by an authority in a process of its own.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import secrets
import sqlite3
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from borough.bench.limits import ENROL_BATCH_S_MAX, ENROL_PARALLEL
from borough.bench.result import Case, Pair, Result
from borough.bench.rig.child import BenchError
from borough.bench.rig.installation import Installation, place, running
from borough.settings import Settings
from ciaas.storage.registry import migrate
from ciaas.storage.registry.database import connect
from security.encryption.authority import Authority

CASES = ("batch", "redeem")

BATCH_S = 30.0
REDEEMED_PER_S = 17.0
"""10,000 devices within ten minutes."""
_LOOK_EACH_S = 0.05
_ATTRIBUTES = {"power": "Number", "on": "Boolean"}
_LUMINAIRE = {
    "nodes": {
        "lamp": {
            "implements": [],
            "objects": {
                "light": {
                    "conforms": "Luminaire",
                    "objects": {},
                    "attributes": {
                        name: {"constraint": "Measure", "type": kind}
                        for name, kind in _ATTRIBUTES.items()
                    },
                }
            },
        }
    }
}
_PROFILE = {
    "friendly_name": "Lamp {serial}",
    "classes": {"Luminaire": _LUMINAIRE},
    "default_class": "Luminaire",
    "overlay": {"licence": "CC-BY-4.0"},
    "endpoint_group": "lamps",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a run is."""

    devices: int = 10_000
    """Of one sheet."""
    redeemed: int = 400
    """Tokens of one measurement."""


def bench(
    settings: Settings,
    cases: Sequence[str],
    pairs: int,
    say: Callable[[str], None],
    plan: Plan | None = None,
) -> Result:
    """Run the cases.

    Raises:
        BenchError, HomeError: no figure can be given; the message says why.
    """
    plan = plan or Plan()
    batches, redeemed = [], []
    with place(settings) as where, running(where) as installation:
        with _client(installation) as client:
            _prepare(client, settings.project)
            for number in range(pairs):
                serials = [f"B{number}-{row}" for row in range(plan.devices)]
                took, tokens = _enrol(client, serials)
                plain = _plainly(where.folder / f"plain-{number}.sqlite", serials)
                batches.append(Pair(took, plain))
                say(f"pair {number + 1}: {plan.devices:,} devices {took:.2f} s, plain {plain:.2f}")
                if "redeem" in cases:
                    chosen = tokens[: plan.redeemed]
                    redeemed.append(
                        Pair(
                            _redeem(client, chosen),
                            _sign(where.folder / f"ca-{number}", len(chosen)),
                        )
                    )
                    say(f"pair {number + 1}: {redeemed[-1].ours:.0f} redemptions a second")
    shown = {
        "batch": Case("batch", "s", batches, BATCH_S, "lower", alone=True),
    }
    if redeemed:
        shown["redeem"] = Case("redeem", "per s", redeemed, REDEEMED_PER_S, "higher", alone=True)
    facts = {"sync_interval": settings.sync_interval, "devices": plan.devices}
    return Result("enrol", [shown[name] for name in cases], facts)


def _client(installation: Installation) -> httpx.Client:
    return httpx.Client(
        base_url=f"http://{installation.settings.http}/api/v1",
        headers={"Authorization": f"Bearer {installation.client.issue_token()}"},
        params={"project": installation.settings.project},
        timeout=60.0,
    )


def _prepare(client: httpx.Client, project: str) -> None:
    """Make the profile and its group."""
    client.put(f"/endpoint-groups/{project}/lamps").raise_for_status()
    client.put(f"/enrolment-profiles/{project}/lamps", json=_PROFILE).raise_for_status()


def _enrol(client: httpx.Client, serials: Sequence[str]) -> tuple[float, Sequence[str]]:
    """Enrol devices; returns the seconds until all stand, and their tokens.

    Raises:
        BenchError: the batch did not end well.
    """
    sheet = "serial,street,lat,lon\n" + "".join(
        f"{serial},High Street {n},60.{n:05},24.{n:05}\n" for n, serial in enumerate(serials)
    )
    began = time.monotonic()
    answer = client.post("/enrolments", params={"profile": "lamps"}, content=sheet)
    if answer.is_error:
        raise BenchError(f"the sheet was refused: {answer.text[:300]}")
    path = f"/enrolments/{answer.json()['id']}"
    while (about := client.get(path).json())["progress"] == "running":
        if time.monotonic() - began > ENROL_BATCH_S_MAX:
            raise BenchError(f"{about['done']:,} devices after {ENROL_BATCH_S_MAX:g} s")
        time.sleep(_LOOK_EACH_S)  # a look costs the platform a moment: not more often
    took = time.monotonic() - began
    if about["progress"] != "done":
        raise BenchError(f"the batch halted: {about['detail']}")
    text = client.post(f"{path}/result").raise_for_status().text
    return took, [line["token"] for line in csv.DictReader(io.StringIO(text))]


def _plainly(path: Path, serials: Sequence[str]) -> float:
    """Write what a sheet becomes in one transaction; returns the seconds."""
    migrate(path)
    began = time.monotonic()
    with closing(connect(path, query_only=False)) as database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO project (id, name, version) VALUES (1, 'city', 1)")
        database.execute(
            "INSERT INTO endpoint_group (id, project, name, version) VALUES (1, 1, 'lamps', 1)"
        )
        for number, serial in enumerate(serials):
            _plain_row(database, number + 1, serial)
        database.execute("COMMIT")
    return time.monotonic() - began


def _plain_row(database: sqlite3.Connection, number: int, serial: str) -> None:
    endpoint, digest = str(uuid.uuid4()), hashlib.sha256(secrets.token_bytes(32)).hexdigest()
    database.execute(
        "INSERT INTO endpoint (id, uuid, project, friendly_name, metadata, banned, model, "
        "created_at, version, born) VALUES (?, ?, 1, ?, ?, 0, ?, 0, 1, 1)",
        (
            number,
            endpoint,
            f"Lamp {serial}",
            json.dumps({"serial": serial}),
            json.dumps(_LUMINAIRE),
        ),
    )
    database.execute(
        "INSERT INTO provision (endpoint, digest, expires_at, properties, version) "
        "VALUES (?, ?, 0, '{}', 1)",
        (endpoint, digest),
    )
    database.execute(
        "INSERT INTO overlay (scope, endpoint, document, version) VALUES (?, ?, ?, 1)",
        (endpoint, endpoint, '{"licence":"CC-BY-4.0","place":{"lat":60.0,"lon":24.0}}'),
    )
    database.execute(
        "INSERT INTO endpoint_member (endpoint_group, endpoint, removed, version) "
        "VALUES (1, ?, 0, 1)",
        (endpoint,),
    )
    database.execute(
        "INSERT INTO device (project, serial, endpoint, since) VALUES (1, ?, ?, 0)",
        (serial, endpoint),
    )
    database.executemany(
        'INSERT INTO point (address, endpoint, "constraint", type, removed, version, born) '
        "VALUES (?, ?, 'Measure', ?, 0, 1, 1)",
        [(f"{endpoint}/lamp/light/{name}", number, kind) for name, kind in _ATTRIBUTES.items()],
    )


def _redeem(client: httpx.Client, tokens: Sequence[str]) -> float:
    """Have devices redeem tokens for keys of their own; returns redemptions per second."""
    keys = [_public_key() for _ in tokens]

    def redeem(token: str, key: str) -> None:
        answer = client.get(f"/provision/{token}", params={"publicKey": key})
        if answer.is_error:
            raise BenchError(f"a token was refused: {answer.text[:300]}")

    with ThreadPoolExecutor(ENROL_PARALLEL) as pool:
        began = time.monotonic()
        list(pool.map(redeem, tokens, keys))
        return len(tokens) / (time.monotonic() - began)


def _sign(folder: Path, count: int) -> float:
    """Return certificates per second of an authority alone."""
    folder.mkdir(mode=0o700)
    authority = Authority.create(folder, b"bench", lambda: time.time_ns() // 1_000_000)
    keys = [_public_key() for _ in range(count)]
    began = time.monotonic()
    for key in keys:
        authority.issue_endpoint(str(uuid.uuid4()), public_key=key, days=30)
    return count / (time.monotonic() - began)


def _public_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form).decode()
