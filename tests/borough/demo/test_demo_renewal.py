"""Devices of the demo renew their certificates beside their work."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from borough.demo.devices import renewal
from borough.demo.devices.link import Identity
from borough.demo.devices.renewal import Renewal
from borough_client.device import Identity as Own
from tests.cpaas.conftest import House, authority, ground, house, servers_end
from tests.cpaas.est_port import EstPort, est_port

__all__ = ["authority", "ground", "house", "servers_end"]


@pytest.fixture
def port(house: House, tmp_path: Path) -> Iterator[EstPort]:
    with est_port(house, tmp_path) as served:
        yield served


def serial(path: Path) -> int:
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number


def device(port: EstPort, house: House, folder: Path, days: float | None) -> Identity:
    """Return a device whose certificate lives for so long."""
    uuid = house.endpoint()
    token = house.client().post(f"/endpoints/{uuid}/provisionToken").text
    own = Own.enrol(port.url, uuid, token, folder / uuid, port.anchors)
    if days is not None:
        own.certificate.write_text(port.certificate_of(own, days))
    return Identity(uuid, own.certificate, own.key, own.anchors, "127.0.0.1", 1)


def test_what_is_due_is_renewed_and_nothing_else(
    port: EstPort, house: House, tmp_path: Path
) -> None:
    due, fresh = (device(port, house, tmp_path, days) for days in (100 / 86_400, None))
    before = [serial(one.certificate) for one in (due, fresh)]
    looked = threading.Event()

    def both() -> list[Identity]:
        looked.set()
        return [due, fresh]

    beside = Renewal(port.url, both, first_s=0.0)
    assert looked.wait(10)
    beside.close()
    beside._thread.join(30)
    assert (beside.renewed, beside.failed) == (1, "")
    assert serial(due.certificate) != before[0]
    assert serial(fresh.certificate) == before[1]


def test_one_that_fails_keeps_no_other_from_renewing(
    port: EstPort, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "LOOK_S", 3_600.0)
    lost, due = (device(port, house, tmp_path, 100 / 86_400) for _ in range(2))
    house.client().delete(f"/endpoints/{lost.uuid}/certificates")
    shutil.copy(lost.certificate, tmp_path / "kept.pem")
    with contextlib.closing(Renewal(port.url, lambda: [lost, due])) as beside:
        beside.look()
    assert beside.renewed == 1
    assert serial(lost.certificate) == serial(tmp_path / "kept.pem")
