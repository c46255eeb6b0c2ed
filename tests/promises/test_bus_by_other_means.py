"""Nothing is lost either when the roles speak TLS with the broker, or read by nats-py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.promises.account import settle
from tests.promises.device import Device, Form, Load, enrol
from tests.promises.platform import running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.mark.parametrize(
    "settings", [{"BUS_TLS": "true"}, {"BUS_TLS": "true", "BUS_CLIENT": "nats-py"}]
)
def test_everything_acknowledged_is_recorded_once_through_a_kill(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    with running(tmp_path / "home", settings=settings) as platform:
        devices = [Device(platform, enrol(platform, form.name), form) for form in Form]
        with Load(devices) as load:
            until(lambda: len(load.ledger().acked) > 500, "a running load")
            platform.kill("core")
            platform.wait_ready()
            platform.kill("broker")
            platform.wait_ready()
            before = len(load.ledger().acked)
            until(lambda: len(load.ledger().acked) > before + 500, "more of the load")
            ledger = load.settle()
        account = settle(platform.client(), ledger)
        assert account.clean, account
