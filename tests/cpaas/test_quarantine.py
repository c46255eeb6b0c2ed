"""What was set aside: to whom it is shown, page by page, and never too much at once."""

from __future__ import annotations

import base64

import pytest

from ciaas.kernel.sample import Frame
from ciaas.ports import Aside
from cpaas.access.routes.samples import quarantine
from cpaas.limits import LIST_DEFAULT, LIST_MAX, QUARANTINE_STEP
from tests.cpaas.conftest import House


def set_aside(house: House, *parts: tuple[str, bytes]) -> None:
    house.history.record(
        Frame.empty(),
        aside=[
            Aside(
                1_767_225_600_000 + i, i, f"@update/{uuid}", "malformed", "no JSON", payload, uuid
            )
            for i, (uuid, payload) in enumerate(parts)
        ],
    )


def test_each_sees_what_own_endpoints_sent(house: House) -> None:
    mine, other = house.endpoint(), house.endpoint("Other")
    set_aside(house, (mine, b"\xff{"), (other, b"x"), ("", b"nobody's"))
    reader = house.user("anna", {f"{mine}/#": "READ", f"{other}/n/#": "READ"})
    assert reader.get("/quarantine").json() == [
        {
            "number": 1,
            "received_at": "2026-01-01T00:00:00.000Z",
            "topic": f"@update/{mine}",
            "reason": "malformed",
            "detail": "no JSON",
            "payload": base64.b64encode(b"\xff{").decode(),
            "endpoint": mine,
        }
    ]
    assert reader.get("/quarantine", params={"endpoint": mine}).json()[0]["number"] == 1
    assert reader.get("/quarantine", params={"endpoint": other}).status_code == 403
    browser = house.user("bert", {f"{mine}/#": "BROWSE"})
    assert browser.get("/quarantine").json() == []
    assert browser.get("/quarantine", params={"endpoint": mine}).status_code == 403
    assert house.user("carl").get("/quarantine").json() == []
    everything = house.client().get("/quarantine").json()
    assert [part["number"] for part in everything] == [3, 2, 1]


def test_pages_follow_one_another(house: House) -> None:
    uuid = house.endpoint()
    count = 3 * QUARANTINE_STEP + 5
    set_aside(house, *((uuid, b"%d" % i) for i in range(count)))
    client = house.client()
    numbers: list[int] = []
    query = {"limit": QUARANTINE_STEP + 3, "endpoint": uuid}
    while page := client.get("/quarantine", params=query).json():  # type: ignore[arg-type] # text and numbers
        assert len(page) <= QUARANTINE_STEP + 3
        numbers += [part["number"] for part in page]
        query["before"] = numbers[-1]
    assert numbers == list(range(count, 0, -1))
    assert len(client.get("/quarantine").json()) == min(count, LIST_DEFAULT)
    for bad in ({"limit": 0}, {"limit": LIST_MAX + 1}, {"before": -1}, {"before": 2**64}):
        assert client.get("/quarantine", params=bad).status_code == 422


def test_a_page_of_large_payloads_is_shorter(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    uuid = house.endpoint()
    set_aside(house, *((uuid, bytes(1_000)) for _ in range(10)))
    monkeypatch.setattr(quarantine, "QUARANTINE_ANSWER_BYTES_MAX", 3_000)
    page = house.client().get("/quarantine").json()
    assert [part["number"] for part in page] == [10, 9, 8]
    monkeypatch.setattr(quarantine, "QUARANTINE_ANSWER_BYTES_MAX", 1)
    page = house.client().get("/quarantine", params={"before": 8}).json()
    assert [part["number"] for part in page] == [7]
