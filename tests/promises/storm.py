"""A storm: processes of a platform are killed at random moments while devices send."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from ciaas.kernel.sample import Frame
from tests.promises.account import Account, rows_on_disk, series, settle
from tests.promises.device import Device, Form, Ledger, Load, enrol
from tests.promises.follower import Follower
from tests.promises.meter import NAME, Meter
from tests.promises.platform import ROLES, Platform, pause, running, until

VICTIMS = (*ROLES, "up")
_QUIET_S = (0.5, 2.5)
"""Between a platform that runs again and the next kill."""


@dataclass
class Storm:
    """What a storm left behind."""

    seed: int
    ledger: Ledger
    account: Account
    rows: Frame
    """Every row on disk after the end, in the order of commits."""
    commit: Sequence[int]
    """Commit number of each row."""
    follower: Follower
    served: int
    """How often the meter was read."""
    metered: Sequence[float]
    """Values of the meter in history, in order of time."""
    kills: Sequence[str]
    """In order; what was killed together is joined by ``+``."""

    def __str__(self) -> str:
        return f"seed {self.seed}, killed {', '.join(self.kills)}: {self.account}"


def victims(rounds: int, chance: random.Random) -> list[str]:
    """Return whom to kill, in an order of chance: each alone, and once core with the broker."""
    chosen: list[str] = []
    while len(chosen) < rounds:
        turn = [*VICTIMS, "core+broker"]
        chance.shuffle(turn)
        chosen += turn
    return chosen[:rounds]


def rage(home: Path, rounds: int, seed: int) -> Storm:
    """Kill ``rounds`` times under load, then let all settle, compare, and end in order."""
    chance = random.Random(seed)
    forms = (Form.JSON, Form.CBOR, Form.TRANSACTION, Form.CBOR_TRANSACTION, Form.DELAYED)
    kills = victims(rounds, chance)
    with Meter() as meter, running(home) as platform, Follower(platform) as follower:
        client = platform.client()
        meter_uuid = connect(platform, meter)
        devices = [
            Device(platform, enrol(platform, form.name), form, 1 if "one" in form.value else 5)
            for form in forms
        ]
        with Load(devices) as load:
            for victim in kills:
                pause(chance.uniform(*_QUIET_S))
                fell(platform, victim)
            pause(chance.uniform(*_QUIET_S))
            ledger = load.settle()
        account = settle(client, ledger)
        wait_for_the_stream(client, follower)
        address = f"{meter_uuid}/meter/reads/count"
        assert platform.stop() == 0, platform.last_words()
        platform.start()
        metered = [value for _, value in series(client, address)]
        assert platform.stop() == 0, platform.last_words()
        rows, commit = rows_on_disk(home / "history.duckdb")
    return Storm(
        seed=seed,
        ledger=ledger,
        account=account,
        rows=rows,
        commit=commit,
        follower=follower,
        served=len(meter.served),
        metered=metered,
        kills=kills,
    )


def wait_for_the_stream(client: httpx.Client, follower: Follower) -> None:
    """Return when the follower has seen the last commit."""

    def behind() -> str:
        status = client.get("/status").raise_for_status().json()
        if follower.last_commit >= status["commits"]:
            return ""
        return f"{status['commits']} recorded, {status['live']} published"

    until(lambda: not behind(), f"the last commit after {follower.last_commit} ({behind()})")


def connect(platform: Platform, meter: Meter) -> str:
    """Let the platform read the meter; returns the uuid of its endpoint."""
    answer = platform.client().put(f"/connections/{NAME}", json=meter.document())
    answer.raise_for_status()
    (uuid,) = answer.json()["endpoints"]
    until(lambda: meter.served, "the first reading")
    return str(uuid)


def fell(platform: Platform, victim: str) -> None:
    """Kill and wait until another process does the work; ``up`` is started again by ourselves."""
    if victim == "up":
        platform.kill(victim)
        platform.start()
        return
    killed = {role: platform.kill(role) for role in victim.split("+")}

    def others_work() -> bool:
        roles = platform.roles()
        return all(roles[role]["pid"] not in (None, pid) for role, pid in killed.items())

    until(others_work, f"another {victim}")
    platform.wait_ready()
