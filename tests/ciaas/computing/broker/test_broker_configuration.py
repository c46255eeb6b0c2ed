"""The broker's file: what the server accepts, and what its roles may then do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nats.errors import Error as NatsError

from ciaas.computing.broker.configuration import Listen, check
from ciaas.computing.broker.connection import connect
from ciaas.computing.broker.errors import BrokerError, ConfigurationRefused
from ciaas.computing.broker.streams import StreamBounds, ensure_streams
from ciaas.limits import BROKER_CONSUMERS_MAX, BROKER_PAYLOAD_BYTES_MAX, BROKER_UNACKNOWLEDGED_MAX
from tests.ciaas.computing.city import PATIENCE_S, City, nkey


def test_the_server_accepts_it_with_the_key_in_memory(city: City) -> None:
    check(city.path, city.server.key_pem)


def test_every_option_has_a_line(city: City) -> None:
    lines = [line.strip() for line in city.path.read_text().splitlines()]
    for line in (
        f"max_payload: {BROKER_PAYLOAD_BYTES_MAX}",
        f"default_max_consumers: {BROKER_CONSUMERS_MAX}",
        f"max_ack_pending: {BROKER_UNACKNOWLEDGED_MAX}",
        'sync_interval: "1s"',
        "verify: true",
    ):
        assert line in lines


def test_the_key_is_not_in_the_folder(city: City) -> None:
    secret = city.server.key_pem.splitlines()[1]
    files = [path for path in city.folder.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if secret in path.read_bytes()]


@pytest.mark.parametrize("sync", ["always", "1s", "500ms", "2m"])
def test_each_way_of_syncing_is_taken(city: City, tmp_path: Path, sync: str) -> None:
    path = tmp_path / "broker.conf"
    replace(city.configuration, sync_interval=sync).write(path)
    check(path, city.server.key_pem)


def test_a_folder_with_odd_characters_is_taken(city: City, tmp_path: Path) -> None:
    folder = tmp_path / 'a "city"\\$HOME # é'
    path = tmp_path / "broker.conf"
    replace(city.configuration, store_dir=folder, log_file=folder / "log").write(path)
    check(path, city.server.key_pem)


def test_the_wrong_key_is_refused_in_the_servers_words(city: City) -> None:
    with pytest.raises(ConfigurationRefused, match="private key"):
        check(city.path, city.authority.issue("other").key_pem)


def test_a_missing_certificate_is_named(city: City, tmp_path: Path) -> None:
    path = tmp_path / "broker.conf"
    replace(city.configuration, certificate_file=tmp_path / "absent.pem").write(path)
    with pytest.raises(ConfigurationRefused, match=r"absent\.pem"):
        check(path, city.server.key_pem)


def test_a_named_program_that_is_none(city: City, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="name a nats-server"):
        check(city.path, city.server.key_pem, tmp_path / "nats-server")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nats": Listen("0.0.0.0", 4222)}, "loopback"),
        ({"sync_interval": "often"}, "sync_interval"),
        ({"sync_interval": "0s"}, "sync_interval"),
    ],
)
def test_what_would_be_unsafe_is_refused(city: City, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(city.configuration, **changes)


def test_a_role_without_a_public_key_is_refused(city: City) -> None:
    seed, _ = nkey(160)
    keys = city.configuration.keys
    with pytest.raises(ValueError, match="nkey of core"):
        replace(city.configuration, keys=replace(keys, core=seed))
    with pytest.raises(ValueError, match="nkey of issuer"):
        replace(city.configuration, keys=replace(keys, issuer=keys.core))


def test_a_control_character_does_not_reach_the_file(city: City) -> None:
    with pytest.raises(ValueError, match="control character"):
        replace(city.configuration, server_name="a\nlisten: b").render()


def test_writing_replaces_the_whole_file(city: City, tmp_path: Path) -> None:
    path = tmp_path / "broker.conf"
    path.write_text("old")
    city.configuration.write(path)
    assert path.read_text() == city.configuration.render()
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


# -- what the roles may do


@pytest.mark.parametrize(
    ("role", "publish", "subscribe"),
    [
        ("field", "registry.changed", ""),
        ("field", "uplink.compose.0", ""),
        ("field", "$JS.API.STREAM.DELETE.INTERNAL", ""),
        ("field", "command.request", ""),
        ("field", "command.field", ""),
        ("field", "_INBOX.core.x", ""),
        ("field", "", "command.request"),
        ("field", "", "@update.>"),
        ("field", "", "_INBOX.>"),
        ("compose", "uplink.field.0", ""),
        ("compose", "LIVE.0", ""),
        ("compose", "registry.changed", ""),
        ("compose", "command.field", ""),
        ("compose", "$JS.API.STREAM.PURGE.LIVE", ""),
        ("compose", "$JS.API.CONSUMER.CREATE.INTERNAL", ""),
        ("compose", "", "command.request"),
        ("compose", "", "@update.>"),
        ("auth", "$SYS.REQ.USER.AUTH", ""),
        ("auth", "", ">"),
        ("sys", "$SYS.REQ.SERVER.PING", ""),
        ("sys", "$SYS.REQ.SERVER.X.RELOAD", ""),
        ("sys", "", "$SYS.>"),
    ],
)
def test_a_role_may_do_no_more_than_its_work(
    city: City, role: str, publish: str, subscribe: str
) -> None:
    async def complaint() -> str:
        complaints: asyncio.Queue[str] = asyncio.Queue()

        async def note(error: Exception) -> None:
            await complaints.put(str(error))

        client = await connect(city.url, city.seeds[role], role=role, on_error=note)
        if publish:
            await client.publish(publish, b"x")
        else:
            await client.subscribe(subscribe)
        said = await asyncio.wait_for(complaints.get(), PATIENCE_S)
        await client.close()
        return said

    said = city.run(complaint())
    assert "permissions violation" in said.lower()
    assert f'"{publish or subscribe}"'.lower() in said.lower()


def test_field_hears_of_changes_of_the_registry(city: City) -> None:
    async def hear() -> bytes:
        core = await connect(city.url, city.seeds["core"], role="core")
        field = await connect(city.url, city.seeds["field"], role="field")
        changes = await field.subscribe("registry.changed")
        await field.flush()
        await core.publish("registry.changed", b"7")
        heard = await changes.next_msg(timeout=PATIENCE_S)
        await field.close()
        await core.close()
        return heard.data

    assert city.run(hear()) == b"7"


def test_field_publishes_to_its_stream_and_learns_that_it_is_stored(city: City) -> None:
    async def publish() -> tuple[str, bool]:
        core = await connect(city.url, city.seeds["core"], role="core")
        await ensure_streams(core, StreamBounds(live_bytes=1_000_000, internal_bytes=1_000_000))
        field = await connect(city.url, city.seeds["field"], role="field")
        await field.jetstream().publish("uplink.field.0", b"x", headers={"Nats-Msg-Id": "a:1"})
        again = await field.jetstream().publish(
            "uplink.field.0", b"x", headers={"Nats-Msg-Id": "a:1"}
        )
        await field.close()
        await core.close()
        return again.stream, bool(again.duplicate)

    assert city.run(publish()) == ("INTERNAL", True)


def test_an_unknown_key_is_told_that_it_is_refused(city: City) -> None:
    seed, _ = nkey(160)
    with pytest.raises(BrokerError, match=r"core cannot connect.*Authorization Violation"):
        city.run(connect(city.url, seed, role="core"))


def test_a_message_beyond_the_bound_is_not_taken(city: City) -> None:
    async def publish(size: int) -> None:
        core = await connect(city.url, city.seeds["core"], role="core")
        try:
            await core.publish("x", bytes(size))
            await core.flush()
        finally:
            await core.close()

    city.run(publish(BROKER_PAYLOAD_BYTES_MAX))
    with pytest.raises(NatsError):
        city.run(publish(BROKER_PAYLOAD_BYTES_MAX + 1))
