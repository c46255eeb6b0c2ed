"""The callout's decision on requests as the broker writes them, without a broker."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import nkeys
import pytest

from ciaas.computing.admission.callout import Callout
from ciaas.computing.admission.claims import Issuer
from ciaas.computing.admission.ports import Permissions, Refusal
from ciaas.limits import ADMISSION_TRACES_MAX, REFUSED_TEXT_CHARS_MAX
from security.limits import EXPIRY_GRACE_S
from tests.ciaas.computing.city import Authority, Identity, new_endpoint, nkey
from tests.ciaas.computing.doorkeeper import ListGate

NOW_S = 1_795_000_000


class StoppedClock:
    def __init__(self) -> None:
        self.at_ms = NOW_S * 1000

    def now_ms(self) -> int:
        return self.at_ms


class Desk:
    """A callout that stays in memory."""

    def __init__(self) -> None:
        seed, self.public = nkey(nkeys.PREFIX_BYTE_ACCOUNT)
        self.clock, self.gate = StoppedClock(), ListGate()
        self.refusals: list[Refusal] = []
        self.callout = Callout(
            Issuer(seed),
            self.gate,
            self.clock,
            platform={"borough-core": Permissions((), ("@set.>",))},
            on_refusal=self.refusals.append,
        )

    def ask(self, **changes: Any) -> dict[str, Any] | None:
        answer = self.callout.answer(request(**changes))
        return None if answer is None else claims(answer)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def request(
    identity: Identity | None = None,
    client_id: str = "",
    *,
    kind: str = "mqtt",
    connection: int = 1,
) -> bytes:
    chains = [[identity.certificate_pem.decode()]] if identity else []
    body = {
        "exp": NOW_S + 2,
        "nats": {
            "server_id": {"id": "NSERVER"},
            "user_nkey": "UUSER",
            "client_info": {
                "id": connection,
                "type": kind,
                "host": "192.0.2.1",
                "mqtt_id": client_id,
            },
            "client_tls": {"verified_chains": chains},
        },
    }
    encoded = base64.urlsafe_b64encode(msgspec.json.encode(body)).rstrip(b"=")
    return b"header." + encoded + b".signature"


def claims(token: bytes | str) -> dict[str, Any]:
    part = (token if isinstance(token, str) else token.decode()).split(".")[1]
    decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    return msgspec.json.decode(decoded, type=dict[str, Any])


def test_the_grant_names_exactly_the_endpoints_topics(desk: Desk) -> None:
    endpoint = new_endpoint()
    desk.gate.known.add(endpoint)
    desk.callout.open()
    answer = desk.ask(identity=Authority().issue(endpoint), client_id=endpoint)
    assert answer is not None
    assert (answer["iss"], answer["sub"], answer["aud"]) == (desk.public, "UUSER", "NSERVER")
    grant = claims(answer["nats"]["jwt"])
    assert (grant["iss"], grant["sub"], grant["aud"]) == (desk.public, "UUSER", "CITY")
    assert grant["name"] == endpoint
    assert grant["nats"]["pub"] == {
        "allow": [
            f"@online.{endpoint}",
            f"@offline.{endpoint}",
            f"@nodeAdded.{endpoint}.>",
            f"@nodeRemoved.{endpoint}.>",
            f"@update.{endpoint}.>",
            f"@didSet.{endpoint}.>",
            f"@transaction.{endpoint}",
            f"@delayed.{endpoint}",
            f"@logs.{endpoint}",
            f"@execOutput.{endpoint}.*",
        ]
    }
    assert grant["nats"]["sub"] == {
        "allow": [
            f"@set.{endpoint}",
            f"@set.{endpoint}.>",
            f"@exec.{endpoint}",
            f"@logsLevel.{endpoint}",
        ]
    }


def test_the_session_of_a_device_ends_with_its_certificate(desk: Desk) -> None:
    endpoint = new_endpoint()
    desk.gate.known.add(endpoint)
    desk.callout.open()
    identity = Authority().issue(endpoint)
    answer = desk.ask(identity=identity, client_id=endpoint)
    assert answer is not None
    ends = identity.certificate.not_valid_after_utc.timestamp()
    assert claims(answer["nats"]["jwt"])["exp"] == ends + EXPIRY_GRACE_S
    own = desk.ask(identity=Authority().issue("borough-core"), client_id="borough-core")
    assert own is not None and "exp" not in claims(own["nats"]["jwt"])


def test_an_empty_list_denies(desk: Desk) -> None:
    answer = desk.ask(identity=Authority().issue("borough-core"), client_id="borough-core")
    assert answer is not None
    rights = claims(answer["nats"]["jwt"])["nats"]
    assert rights["pub"] == {"deny": [">"]}
    assert rights["sub"] == {"allow": ["@set.>"]}


def test_the_broker_is_not_told_what_a_client_wrote(desk: Desk) -> None:
    answer = desk.ask(identity=Authority().issue("a"), client_id="b\n[1] forged")
    assert answer is not None
    assert answer["nats"]["error"] == "not admitted"
    assert "jwt" not in answer["nats"]


def test_a_request_nobody_waits_for_is_dropped(desk: Desk) -> None:
    desk.clock.at_ms = (NOW_S + 3) * 1000 - 1
    assert desk.ask() is not None
    desk.clock.at_ms += 1
    assert desk.ask() is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"kind": "nats"}, "protocol"), ({}, "certificate")],
)
def test_no_certificate_no_entry(desk: Desk, changes: dict[str, Any], reason: str) -> None:
    desk.callout.open()
    answer = desk.ask(**changes)
    assert answer is not None
    assert "error" in answer["nats"]
    assert [refusal.reason for refusal in desk.refusals] == [reason]


@pytest.mark.parametrize("noise", [b"", b"a", b"a.!!!.c", b"a.e30.c", b"a.bm8.c"])
def test_what_is_no_request_is_an_error(desk: Desk, noise: bytes) -> None:
    with pytest.raises(ValueError):
        desk.callout.answer(noise)


def test_refusals_are_cut_and_remembered_up_to_a_bound(desk: Desk) -> None:
    for connection in range(ADMISSION_TRACES_MAX + 1):
        desk.callout.answer(request(client_id="x" * 2_000, connection=connection))
    assert len(desk.refusals[0].client) == REFUSED_TEXT_CHARS_MAX
    assert not desk.callout.reported(0)
    assert desk.callout.reported(1)
    assert not desk.callout.reported(1), "told once"
