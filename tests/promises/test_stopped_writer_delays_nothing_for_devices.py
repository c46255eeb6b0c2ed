"""Core stands still for a minute: connected devices are acknowledged, and all is in history."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.promises.account import settle
from tests.promises.device import Device, Form, Load, enrol
from tests.promises.platform import pause, running, until

_STOPPED_S = 60

pytestmark = [pytest.mark.slow, pytest.mark.timeout(_STOPPED_S + 180)]


def test_what_was_acknowledged_meanwhile_is_in_history_afterwards(tmp_path: Path) -> None:
    with running(tmp_path / "home") as platform:
        client = platform.client()
        devices = [
            Device(platform, enrol(platform, form.name), form, 1 if "one" in form.value else 5)
            for form in (Form.JSON, Form.CBOR, Form.TRANSACTION)
        ]
        late = Device(platform, enrol(platform, "late"))
        with Load(devices) as load:
            core = platform.pid("core")
            os.kill(core, signal.SIGSTOP)
            try:
                for _ in range(_STOPPED_S // 10):
                    before = len(load.ledger().acked)
                    late.start()
                    pause(10)
                    assert len(load.ledger().acked) > before + 100
                # Nobody can say who it is: a device that is not connected has to wait.
                assert late.refused
                assert not late.connected.is_set()
            finally:
                os.kill(core, signal.SIGCONT)
            until(late.connected.is_set, "the late device's welcome")
            until(platform.healthy, "a ready platform")
            late.leave()
            ledger = load.settle()
        account = settle(client, ledger)
        assert account.clean, account
        assert platform.pid("core") == core, "it went on where it stood"
        assert platform.roles()["core"]["restarts"] == 0
        assert platform.stop() == 0
