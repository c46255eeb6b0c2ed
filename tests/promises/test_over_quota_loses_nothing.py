"""A device beyond its project's quota is sent away and told so; what it was acknowledged stays."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.promises.account import settle
from tests.promises.device import Device, Load, enrol
from tests.promises.platform import Platform, running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def told(platform: Platform) -> list[str]:
    """Return the record's lines about quotas, as they lie on disk."""
    lines = [
        line
        for path in sorted((platform.home / "audit").glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    return [line for line in lines if '"quota"' in line and '"refusal"' in line]


def test_what_was_acknowledged_is_stored_and_the_rest_waits_with_the_device(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "home") as platform:
        client = platform.client()
        loud, quiet = (Device(platform, enrol(platform, name)) for name in ("loud", "quiet"))
        bound = {"messages_per_s": 20}
        assert client.put("/projects/city/quotas", json=bound).status_code == 204
        quiet.join()
        with Load([loud]) as load:
            until(lambda: not loud.connected.is_set(), "the end of the loud one's session")
            assert quiet.connected.is_set()
            until(lambda: loud.refused, "a refusal at the door")
            assert_told(platform, client, loud)
            load.pause()
            assert client.put("/projects/city/quotas", json={"messages_per_s": None}).is_success
            ledger = load.settle()  # as soon as its rest is over, it brings what it kept
        quiet.leave()
        account = settle(client, ledger)
        assert account.clean and account.acked == account.sent > 200, str(account)


def assert_told(platform: Platform, client: httpx.Client, loud: Device) -> None:
    refused = client.get("/status").raise_for_status().json()["refusals"]
    assert refused["quota"] >= 1
    until(lambda: any(loud.uuid in line for line in told(platform)), "a line of the record")
    search = client.get("/endpoints/" + loud.uuid)
    assert search.status_code == 200
