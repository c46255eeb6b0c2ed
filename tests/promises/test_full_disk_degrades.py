"""A full disk refuses what is written, still answers what is read, and costs nothing acknowledged.

Broker, history, registry and record lie on the same disk here, the worst case. What holds while it
is full: the broker acknowledges nothing it could not store, an app is told so at once, and reads
are answered as long as the record's reserve lasts.
"""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from tests.promises.account import series, settle
from tests.promises.device import Device, Form, Load, enrol
from tests.promises.disk import SmallDisk, small_disk
from tests.promises.platform import Platform, pause, running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

_MEGABYTES = 160
_FULL = httpx.codes.INSUFFICIENT_STORAGE


def test_writes_are_refused_reads_answered_and_nothing_acknowledged_is_lost(
    tmp_path: Path,
) -> None:
    with (
        small_disk(tmp_path / "disk", _MEGABYTES) as disk,
        running(
            disk.folder / "home", within=disk.within, seen_from_here=disk.seen_from_here / "home"
        ) as platform,
    ):
        client = platform.client()
        created = client.post("/endpoints", params={"friendlyName": "app"}).raise_for_status()
        own = f"{created.json()['uuid']}/node/object/own"
        assert write(client, own).status_code == httpx.codes.CREATED
        devices = [
            Device(platform, enrol(platform, form.name), form, 1 if "one" in form.value else 5)
            for form in (Form.JSON, Form.CBOR, Form.TRANSACTION)
        ]
        with Load(devices) as load:
            until(lambda: len(load.ledger().acked) > 500, "a running load")
            disk.fill()
            refused = until(lambda: refusal(client, own), "an app's write that is refused")
            assert refused.status_code == _FULL
            assert "full" in refused.json()["detail"]
            assert platform.healthy()
            before = len(load.ledger().acked)
            for path in (f"/data/{own}", f"/history/{own}", "/endpoints", "/quarantine"):
                assert client.get(path).status_code == httpx.codes.OK, path
            registry_says_so(client, disk)
            pause(2)
            assert platform.healthy()
            disk.clear()
            until(lambda: len(load.ledger().acked) > before + 500, "acknowledgements again")
            ledger = load.settle()
        account = settle(client, ledger, beside=len(list(series(client, own))))
        assert account.clean, account
        assert write(client, own).status_code == httpx.codes.CREATED
        assert "disk was full" in platform.roles()["broker"]["last_error"]
        assert platform.stop() == 0


def test_a_start_on_a_full_disk_says_so_in_one_sentence(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", _MEGABYTES) as disk:
        platform = Platform(disk.folder / "home", within=disk.within)
        for left in (0, 30_000_000):
            disk.fill(leave=left)
            done = platform.call("up")
            disk.clear()
            assert done.returncode == 1
            assert done.stderr == (
                f"borough: the disk of the home {disk.folder / 'home'} is full; free at least "
                "64 MB or name another home with BOROUGH_HOME\n"
            )


def write(client: httpx.Client, address: str) -> httpx.Response:
    """Write one sample as an app."""
    sample = {"address": address, "value": 1.0, "timestamp": time.time()}
    return client.post("/observations", json={"observations": [sample]})


def refusal(client: httpx.Client, address: str) -> httpx.Response | None:
    """Write one sample; returns the answer unless it was stored."""
    answer = write(client, address)
    return None if answer.status_code == httpx.codes.CREATED else answer


def registry_says_so(client: httpx.Client, disk: SmallDisk) -> None:
    """Create endpoints until there is no room, and look at what the API answers then."""

    def refused() -> httpx.Response | None:
        disk.fill()
        answer = client.post("/endpoints", params={"friendlyName": "one too many"})
        return None if answer.status_code == httpx.codes.CREATED else answer

    answer = until(refused, "an endpoint that is refused")
    assert answer.status_code in (_FULL, httpx.codes.SERVICE_UNAVAILABLE)
    assert "full" in answer.json()["detail"]
