"""Who gets in, with what, and what the broker keeps of what they send."""

from __future__ import annotations

import socket
import ssl

import pytest
from cryptography.hazmat.primitives import hashes
from nats.js.api import StreamInfo

from ciaas.computing.admission.ports import RefusalKind
from ciaas.computing.admission.warmup import platform_tls
from tests.ciaas.computing.city import Authority, City, new_endpoint, until
from tests.ciaas.computing.doorkeeper import Doorkeeper


def stored(doorkeeper: Doorkeeper) -> StreamInfo:
    return doorkeeper.city.run(doorkeeper.core.jetstream().stream_info("$MQTT_msgs"))


def test_the_gate_is_asked_with_the_certificate_and_admits(doorkeeper: Doorkeeper) -> None:
    endpoint = doorkeeper.new_endpoint()
    identity = doorkeeper.city.authority.issue(endpoint)
    device = doorkeeper.city.device(identity)
    assert device.connect() == "Success"
    fingerprint = identity.certificate.fingerprint(hashes.SHA256()).hex()
    assert (endpoint, identity.serial, fingerprint) in doorkeeper.gate.asked
    device.leave()


@pytest.mark.parametrize(
    "topic",
    [
        "@online/{}",
        "@offline/{}",
        "@nodeAdded/{}/n",
        "@nodeRemoved/{}/n",
        "@update/{}/n/o/a",
        "@didSet/{}/n/o/a",
        "@transaction/{}",
        "@delayed/{}",
        "@logs/{}",
        "@execOutput/{}/x",
    ],
)
def test_an_own_topic_is_kept_for_the_uplink(doorkeeper: Doorkeeper, topic: str) -> None:
    device = doorkeeper.device()
    assert device.connect() == "Success"
    topic = topic.format(device.client_id)
    device.publish(topic, b"kept")
    assert doorkeeper.stored(topic.replace("/", ".")) == b"kept"
    device.leave()


def test_a_foreign_topic_is_acknowledged_and_not_kept(doorkeeper: Doorkeeper) -> None:
    device = doorkeeper.device()
    assert device.connect() == "Success"
    before = stored(doorkeeper).state.last_seq
    device.publish(f"@update/{new_endpoint()}/n/o/a", b"x")
    device.publish(f"@execOutput/{device.client_id}/x/y", b"x")
    assert stored(doorkeeper).state.last_seq == before
    device.leave()


def test_only_own_commands_can_be_subscribed(doorkeeper: Doorkeeper) -> None:
    device = doorkeeper.device()
    assert device.connect() == "Success"
    own, other = device.client_id, new_endpoint()
    assert device.subscribe(f"@set/{own}/#")
    assert device.subscribe(f"@exec/{own}")
    assert device.subscribe(f"@logsLevel/{own}")
    for topic in ("#", "@set/#", f"@set/{other}/#", "@update/#", f"@update/{own}/#", "$SYS/#"):
        assert not device.subscribe(topic), topic
    device.leave()


def test_a_command_reaches_the_device(doorkeeper: Doorkeeper) -> None:
    device = doorkeeper.device()
    assert device.connect() == "Success"
    assert device.subscribe(f"@set/{device.client_id}/#")
    subject = f"$MQTT.msgs.@set.{device.client_id}.n.o.a"
    doorkeeper.city.run(
        doorkeeper.core.jetstream().publish(subject, b"21", headers={"Nmqtt-Pub": "1"})
    )
    assert device.messages.get(timeout=10) == (f"@set/{device.client_id}/n/o/a", b"21")
    device.leave()


def test_a_persistent_session_gets_what_was_sent_while_it_was_away(
    doorkeeper: Doorkeeper,
) -> None:
    endpoint = doorkeeper.new_endpoint()
    identity = doorkeeper.city.authority.issue(endpoint)
    first = doorkeeper.city.device(identity, clean_session=False)
    assert first.connect() == "Success"
    assert first.subscribe(f"@set/{endpoint}/#")
    first.leave()
    subject = f"$MQTT.msgs.@set.{endpoint}.n.o.a"
    doorkeeper.city.run(
        doorkeeper.core.jetstream().publish(subject, b"21", headers={"Nmqtt-Pub": "1"})
    )
    again = doorkeeper.city.device(identity, clean_session=False)
    assert again.connect() == "Success"
    assert again.messages.get(timeout=10) == (f"@set/{endpoint}/n/o/a", b"21")
    again.leave()


def test_a_foreign_client_id_is_refused_and_the_real_device_stays(doorkeeper: Doorkeeper) -> None:
    real, intruder = doorkeeper.device(), doorkeeper.device()
    assert real.connect() == "Success"
    forged = doorkeeper.city.device(
        doorkeeper.city.authority.issue(intruder.client_id), real.client_id
    )
    assert forged.connect() == "Not authorized"
    refusal = doorkeeper.refused(real.client_id)
    assert (refusal.kind, refusal.reason) == (RefusalKind.CONNECT, "client-id")
    assert intruder.client_id in refusal.detail
    real.publish(f"@update/{real.client_id}/n/o/a", b"still here")
    assert not real.ended.is_set()
    real.leave()


def test_an_empty_client_id_is_refused(doorkeeper: Doorkeeper) -> None:
    identity = doorkeeper.city.authority.issue(doorkeeper.new_endpoint())
    assert doorkeeper.city.device(identity, "").connect() == "Not authorized"


@pytest.mark.parametrize("reason", ["unknown", "banned", "revoked"])
def test_what_the_gate_refuses_stays_out(doorkeeper: Doorkeeper, reason: str) -> None:
    endpoint = new_endpoint() if reason == "unknown" else doorkeeper.new_endpoint()
    identity = doorkeeper.city.authority.issue(endpoint)
    if reason == "banned":
        doorkeeper.gate.banned.add(endpoint)
    if reason == "revoked":
        doorkeeper.gate.revoked.add(identity.serial)
    assert doorkeeper.city.device(identity).connect() == "Not authorized"
    refusal = doorkeeper.refused(endpoint)
    assert refusal.reason == reason
    assert identity.serial in refusal.detail


@pytest.mark.parametrize("name", ["*", ">", "#", "device", "00000000-0000-0000-0000-000000000000"])
def test_a_certificate_that_names_no_endpoint_is_refused(doorkeeper: Doorkeeper, name: str) -> None:
    doorkeeper.gate.known.add(name)
    assert doorkeeper.device(name).connect() in ("Not authorized", "Client identifier not valid")


def test_an_upper_case_name_is_another_name(doorkeeper: Doorkeeper) -> None:
    endpoint = doorkeeper.new_endpoint().upper()
    assert doorkeeper.device(endpoint).connect() == "Not authorized"
    assert doorkeeper.refused(endpoint).reason == "name"


def test_a_certificate_of_another_authority_fails_in_the_handshake(
    doorkeeper: Doorkeeper,
) -> None:
    endpoint = doorkeeper.new_endpoint()
    stranger = doorkeeper.city.device(Authority().issue(endpoint))
    assert stranger.connect() in ("handshake", "closed")
    assert endpoint not in {asked[0] for asked in doorkeeper.gate.asked}


def test_the_platform_comes_in_and_may_do_nothing(doorkeeper: Doorkeeper) -> None:
    own = doorkeeper.city.device(doorkeeper.core_identity)
    assert own.connect() == "Success"
    assert not own.subscribe("@update/#")
    before = stored(doorkeeper).state.last_seq
    own.publish("@update/x", b"x")
    assert stored(doorkeeper).state.last_seq == before
    own.leave()


def test_the_will_on_the_own_endpoint_is_published(doorkeeper: Doorkeeper) -> None:
    endpoint = doorkeeper.new_endpoint()
    identity = doorkeeper.city.authority.issue(endpoint)
    device = doorkeeper.city.device(identity, will=(f"@offline/{endpoint}", b"DEAD"))
    assert device.connect() == "Success"

    device.die()
    # Not by a plain subscription: about one will in sixty does not reach such a one.
    assert until(lambda: doorkeeper.stored(f"@offline.{endpoint}"), "the will") == b"DEAD"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_tls_versions_are_spoken(city: City, version: ssl.TLSVersion) -> None:
    identity = city.authority.issue(new_endpoint())
    context = platform_tls(city.ca_file, identity.certificate_pem, identity.key_pem)
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(city.configuration.mqtts) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        assert secured.version() == version.name.replace("TLSv1_", "TLSv1.")
