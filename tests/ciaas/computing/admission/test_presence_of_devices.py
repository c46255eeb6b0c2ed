"""Online and offline from the broker's events, and ending a connection."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

import pytest
from cryptography.hazmat.primitives import hashes

from ciaas.computing.admission import presence
from ciaas.computing.admission.presence import Presence, Session
from ciaas.computing.broker.errors import BrokerError
from ciaas.kernel.address import EndpointId
from ciaas.limits import ADMISSION_TRACES_MAX
from tests.ciaas.computing.city import SystemClock, new_endpoint, until
from tests.ciaas.computing.doorkeeper import Doorkeeper


def came_and_went(doorkeeper: Doorkeeper, endpoint: str) -> tuple[bool, str]:
    until(lambda: len(doorkeeper.seen(endpoint)) == 2, "the end of presence")
    first, last = doorkeeper.seen(endpoint)
    assert first == (True, "connected")
    return last


def test_a_clean_leave(doorkeeper: Doorkeeper) -> None:
    device = doorkeeper.device()
    assert device.connect() == "Success"
    until(lambda: device.client_id in doorkeeper.presence.online, "presence")
    device.leave()
    assert came_and_went(doorkeeper, device.client_id) == (False, "Client Closed")
    assert device.client_id not in doorkeeper.presence.online


def test_an_unclean_death(doorkeeper: Doorkeeper) -> None:
    device = doorkeeper.device()
    assert device.connect() == "Success"
    device.die()
    online, reason = came_and_went(doorkeeper, device.client_id)
    assert not online
    assert reason


def test_times_are_the_brokers(doorkeeper: Doorkeeper) -> None:
    device = doorkeeper.device()
    before = SystemClock().now_ms()
    assert device.connect() == "Success"
    device.leave()
    came_and_went(doorkeeper, device.client_id)
    times = [change[2] for change in doorkeeper.changes if change[0] == device.client_id]
    assert before - 1 <= times[0] <= times[1] <= SystemClock().now_ms()


def test_a_takeover_leaves_the_device_online(doorkeeper: Doorkeeper) -> None:
    endpoint = doorkeeper.new_endpoint()
    old, new = doorkeeper.device(endpoint), doorkeeper.device(endpoint)
    assert old.connect() == "Success"
    assert new.connect() == "Success"
    assert old.ended.wait(10)
    assert doorkeeper.seen(endpoint) == [(True, "connected")]
    new.leave()
    came_and_went(doorkeeper, endpoint)


def test_a_kick_ends_the_connection_and_fires_the_will(doorkeeper: Doorkeeper) -> None:
    endpoint = doorkeeper.new_endpoint()
    identity = doorkeeper.city.authority.issue(endpoint)
    device = doorkeeper.city.device(identity, will=(f"@offline/{endpoint}", b"DEAD"))
    assert device.connect() == "Success"

    assert doorkeeper.city.run(doorkeeper.presence.kick(EndpointId(endpoint))) == 1
    assert until(lambda: doorkeeper.stored(f"@offline.{endpoint}"), "the will") == b"DEAD"
    assert device.ended.wait(10)
    assert came_and_went(doorkeeper, endpoint) == (False, "Kicked")


def test_nobody_to_kick(doorkeeper: Doorkeeper) -> None:
    assert doorkeeper.city.run(doorkeeper.presence.kick(EndpointId(new_endpoint()))) == 0


def test_a_ban_catches_a_device_that_is_just_coming_in(
    doorkeeper: Doorkeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = EndpointId(doorkeeper.new_endpoint())
    kicked: Future[int] = Future()

    async def kick() -> None:
        kicked.set_result(await doorkeeper.presence.kick(endpoint))

    def ban(admitted: EndpointId, server: str, number: int) -> None:
        doorkeeper.presence.admitted(admitted, server, number)
        if admitted == endpoint:
            doorkeeper.gate.banned.add(endpoint)
            tasks.append(asyncio.get_running_loop().create_task(kick()))

    tasks: list[asyncio.Task[None]] = []
    monkeypatch.setattr(doorkeeper.callout, "_on_admit", ban)
    device = doorkeeper.device(endpoint)
    assert device.connect() in ("Success", "closed")
    assert device.ended.wait(10)
    assert kicked.result(10) == 1
    until(lambda: endpoint not in doorkeeper.presence.online, "the end of presence")


def test_who_was_there_before_is_found_at_the_start(doorkeeper: Doorkeeper) -> None:
    identity = doorkeeper.city.authority.issue(doorkeeper.new_endpoint())
    device = doorkeeper.city.device(identity)
    assert device.connect() == "Success"
    found: list[tuple[str, bool, int, str]] = []
    shown: dict[EndpointId, str] = {}
    late = Presence(
        lambda *change: found.append(change), SystemClock(), lambda told: shown.update(told)
    )
    doorkeeper.city.run(late.start(doorkeeper.city.url, doorkeeper.city.seeds["sys"]))
    assert [(change[0], change[1]) for change in found] == [(device.client_id, True)]
    assert late.online == {device.client_id}
    assert shown == {device.client_id: identity.certificate.fingerprint(hashes.SHA256()).hex()}
    doorkeeper.city.run(late.stop())
    device.leave()


def test_roles_and_the_platforms_own_clients_are_no_devices(doorkeeper: Doorkeeper) -> None:
    own = doorkeeper.city.device(doorkeeper.core_identity)
    assert own.connect() == "Success"
    device = doorkeeper.device()
    assert device.connect() == "Success"
    until(lambda: doorkeeper.seen(device.client_id), "presence")
    assert all(change[0] != own.client_id for change in doorkeeper.changes)
    own.leave()
    device.leave()


def test_a_broker_that_dies_takes_all_devices_offline(doorkeeper: Doorkeeper) -> None:
    device = doorkeeper.device()
    assert device.connect() == "Success"
    until(lambda: doorkeeper.seen(device.client_id), "presence")
    doorkeeper.city.kill()
    killed_at = SystemClock().now_ms()
    doorkeeper.city.start()
    assert came_and_went(doorkeeper, device.client_id) == (False, "broker restarted")
    at = [change[2] for change in doorkeeper.changes if change[0] == device.client_id][-1]
    assert at <= killed_at + 500
    again = doorkeeper.device(device.client_id)
    until(lambda: doorkeeper.callout.connected and doorkeeper.core.is_connected, "the connections")
    assert again.connect() == "Success"
    again.leave()


def test_logins_and_endings_are_remembered_up_to_a_bound() -> None:
    traced = Presence(lambda *change: None, SystemClock())
    for number in range(ADMISSION_TRACES_MAX + 1):
        endpoint = EndpointId(str(number))
        traced.admitted(endpoint, "server", number)
        traced._went(endpoint, Session("server", number), 0, "")
    for table in (traced._admitted, traced._gone):
        assert len(table) == ADMISSION_TRACES_MAX
    assert Session("server", 0) not in traced._gone
    assert Session("server", 1) in traced._gone


def test_a_list_that_is_cut_short_is_refused(
    doorkeeper: Doorkeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "BROKER_CONNECTIONS_MAX", 1)
    devices = [doorkeeper.device() for _ in range(2)]
    assert [device.connect() for device in devices] == ["Success", "Success"]
    with pytest.raises(BrokerError, match="lists only some"):
        doorkeeper.city.run(doorkeeper.presence.refresh())
    for device in devices:
        device.leave()


def test_a_list_that_nobody_gives_makes_a_kick_fail_loudly(
    doorkeeper: Doorkeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "_LIST", "$SYS.REQ.SERVER.NOBODY.KICK")
    with pytest.raises(BrokerError, match="did not answer"):
        doorkeeper.city.run(doorkeeper.presence.kick(EndpointId("nobody")))


def test_a_silent_broker_makes_a_kick_fail_loudly(doorkeeper: Doorkeeper) -> None:
    deaf = Presence(lambda *change: None, SystemClock())
    with pytest.raises(BrokerError, match="sys cannot connect"):
        doorkeeper.city.run(deaf.start("nats://127.0.0.1:1", doorkeeper.city.seeds["sys"]))
