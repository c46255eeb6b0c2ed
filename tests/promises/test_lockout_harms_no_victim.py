"""However many guess at an account, and from however many addresses: its owner signs in."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.promises.platform import pause, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

OWNER = {"name": "maria", "password": "a long way to the harbour"}
GUESS = {"name": "maria", "password": "wrong, but long enough"}
ATTACKERS = 6
SIGN_INS = 5


class Attack:
    """Guesses without a pause, each thread from an address of its own."""

    def __init__(self, base_url: httpx.URL, addresses: list[str]) -> None:
        self.answers: Counter[int] = Counter()
        self._base_url, self._ending = base_url, threading.Event()
        self._threads = [threading.Thread(target=self._guess, args=(one,)) for one in addresses]

    def __enter__(self) -> Attack:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _guess(self, address: str) -> None:
        way = httpx.HTTPTransport(local_address=address)
        with httpx.Client(base_url=self._base_url, transport=way, timeout=60.0) as client:
            while not self._ending.is_set():
                self.answers[client.post("/login", json=GUESS).status_code] += 1


def test_the_owner_comes_in_from_elsewhere_and_from_the_own_device_among_the_attackers(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "home") as platform:
        admin = platform.client()
        assert admin.post("/users", json=OWNER).status_code == 201
        with httpx.Client(base_url=admin.base_url, timeout=60.0) as here:
            device = here.post("/login", json=OWNER).raise_for_status().json()["device"]
            known = OWNER | {"device": device}
            addresses = [f"127.0.0.{number}" for number in range(2, 2 + ATTACKERS)]
            with Attack(admin.base_url, [*addresses, "127.0.0.1"]) as attack:
                while attack.answers[429] < 3 * ATTACKERS:
                    assert not attack.answers[200]
                    pause(0.05)
                # The attacker at the own address would keep a stranger waiting there, not this one.
                answers = [here.post("/login", json=known).status_code for _ in range(SIGN_INS)]
                way = httpx.HTTPTransport(local_address="127.0.0.99")
                with httpx.Client(
                    base_url=admin.base_url, transport=way, timeout=60.0
                ) as elsewhere:
                    answers.append(elsewhere.post("/login", json=OWNER).status_code)
            assert answers == [200] * (SIGN_INS + 1)
            assert set(attack.answers) == {401, 429}
