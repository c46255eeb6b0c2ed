"""The public page of indices: what it computes, and the app over the real application."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from time import time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from lxml import html

from ciaas.kernel.address import EndpointId
from ciaas.kernel.model import Attribute, Constraint, EndpointModel, Node, Thing, ValueType
from ciaas.ports import Feed
from csaas_examples.city_index.city import CLASSES, State
from csaas_examples.city_index.indices import INDICES, word
from csaas_examples.city_index.page import STALE_S, page
from security.aaa.tokens import Scope
from tests.cpaas.conftest import (
    House,
    authority,
    ground,
    house,
    servers_end,
)

__all__ = ["authority", "ground", "house", "servers_end"]

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MILD = {"temperature": 20.0, "humidity": 50.0, "wind": 3.0, "dust": 5.0, "sound": 50.0}


def score(name: str, **changed: float | None) -> float | None:
    readings = {k: v for k, v in {**MILD, **changed}.items() if v is not None}
    return next(index for index in INDICES if index.name == name).of(readings)


@pytest.mark.parametrize(
    ("name", "better", "worse"),
    [
        ("living", {}, {"temperature": 33.0, "humidity": 80.0}),
        ("living", {}, {"temperature": 2.0}),
        ("washing", {}, {"humidity": 95.0}),
        ("washing", {}, {"wind": 0.0}),
        ("washing", {"rain": 0.0}, {"rain": 1.0}),
        ("environment", {}, {"dust": 30.0}),
        ("environment", {}, {"sound": 75.0}),
    ],
)
def test_worse_air_has_a_lower_index(
    name: str, better: dict[str, float], worse: dict[str, float]
) -> None:
    good, bad = score(name, **better), score(name, **worse)
    assert good is not None and bad is not None
    assert 0 <= bad < good <= 100


def test_figures_by_hand() -> None:
    # 0.81 · 20 + 0.5 · (0.99 · 20 − 14.3) + 46.3 = 65.25, which is comfortable.
    assert score("living") == 100.0
    # 5 µg/m³ lies in the middle of the best band, 50 dB 10/13 on the way from 40 to 53.
    assert score("environment") == pytest.approx(100 - 20 * 10 / 13)
    assert score("environment", sound=None) == 90.0
    # Tetens at 20 °C gives 2.338 kPa, of which half is lacking: 1 − exp(−1.169 · 2.62).
    assert score("washing") == pytest.approx(95.3, abs=0.1)
    assert score("living", humidity=None) is None
    assert [word(x) for x in (100, 80, 79.9, 40, 0)] == [
        "very good", "very good", "good", "fair", "very poor",
    ]  # fmt: skip


def shown(state: State, now: datetime = NOON) -> Any:
    return html.fromstring(page(state, "Quarter <1>", 60, now))


def test_the_page_says_what_a_reader_needs() -> None:
    course = {index.name: [50.0, None, 70.0, 80.0] for index in INDICES}
    tree = shown(State(NOON, MILD, {"temperature": 5}, course))
    assert tree.get("lang") == "en"
    assert tree.findtext(".//h1") == "Quarter <1>"
    assert [h.text for h in tree.iter("h2")] == ["Living", "Washing", "Environment", "Measured"]
    assert "100" in tree.xpath("string(//section[1])")
    assert tree.xpath("//svg/@aria-label")[0] == "Living, last 24 hours: from 50 to 80"
    assert tree.xpath("//svg/path/@d")[1].count("M") == 2
    assert tree.xpath("//script/@data-every") == ["60"]
    assert tree.xpath("//script/@src") == ["renew.js"]
    assert tree.xpath("//main//*[@role='status']") == []
    text = tree.text_content()
    assert "at most 5 min old" in text and "no value in the last hour" in text
    assert "As of 12:00 UTC" in text
    helsinki = page(State(NOON, MILD), "City", 60, NOON, ZoneInfo("Europe/Helsinki"))
    assert "15:00 EEST" in helsinki


def test_what_is_not_measured_is_said_where_it_is_missed() -> None:
    readings = {"temperature": 20.0, "humidity": 50.0, "sound": 50.0}
    cards = [c.text_content() for c in shown(State(NOON, readings)).xpath("//section")]
    assert "not measured" not in cards[0]
    assert "Wind and rain are not measured now, and not counted." in cards[1]
    assert "Dust is not measured now." in cards[2] and "no data" in cards[2]
    assert "not measured" not in page(State(), "City", 60, NOON)


def test_what_is_old_or_not_there_is_said() -> None:
    assert "Waiting" in page(State(), "City", 60, NOON)
    old = State(NOON - timedelta(seconds=STALE_S), MILD)
    assert "10 minutes old" in page(old, "City", 60, NOON)
    minute = State(NOON - timedelta(seconds=61), MILD, fault="broken")
    assert "1 minute old" in page(minute, "City", 60, NOON)
    day = State(NOON - timedelta(days=1), MILD, fault="broken")
    assert "24 hours old" in page(day, "City", 60, NOON)
    assert "less than a minute old" in page(State(NOON, MILD, fault="broken"), "City", 60, NOON)
    assert "does not answer" in page(State(NOON, MILD, fault="broken"), "City", 60, NOON)
    assert shown(State(NOON, {})).xpath("string(//section[1])").count("no data") == 1


# -- the whole app


def fill(house: House) -> None:
    """Store a day of each measurand, with its class."""
    now = time()
    for place in (0, 1):
        uuid = house.endpoint(f"Station {place}")
        samples = []
        attributes: dict[str, Any] = {}
        for name, kind in CLASSES.items():
            value = {**MILD, "rain": 0.0}[name]
            attributes[name] = kind
            samples += [
                (f"{uuid}/Air/{name}/value", value + hour % 3, now - 1800 - hour * 3600)
                for hour in range(24)
            ]
        declare(house, uuid, attributes)
        assert house.observe(*samples).status_code == 201


def declare(house: House, uuid: str, classes: dict[str, str]) -> None:
    value = Attribute(Constraint.MEASURE, ValueType.NUMBER)
    things = {
        name: Thing(conforms=kind, attributes={"value": value}) for name, kind in classes.items()
    }
    model = EndpointModel(version="v0.2", nodes={"Air": Node(objects=things)})
    house.city.catalogue.declare(EndpointId(uuid), model)
    house.registry.resources.change_endpoint(EndpointId(uuid), feed=Feed.APP)


@pytest.fixture
def app(house: House, tmp_path: Path) -> Iterator[str]:
    """The app as a process of its own, with a token that may read and nothing else."""
    fill(house)
    visitor = house.user("city.index", {"project:city": "READ"}, frozenset({Scope.READ}))
    token = tmp_path / "token"
    token.write_text(visitor.headers["Authorization"].removeprefix("Bearer ") + "\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "csaas_examples.city_index", "--port", "0", "--every", "1",
         "--url", house.base_url.removesuffix("/api/v1"), "--token-file", str(token)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        process.stdout.close()


def test_the_app_shows_the_city(app: str) -> None:
    pause = Event()
    for _ in range(200):
        document = fetched(app + "indices.json")[1]
        if json.loads(document)["at"]:
            break
        pause.wait(0.1)
    told = json.loads(document)
    assert told["readings"] == pytest.approx({**MILD, "rain": 0.0})
    assert told["indices"]["living"] == 100.0
    assert set(told["age_min"].values()) <= {30, 35} and len(told["age_min"]) == 6
    headers, text = fetched(app)
    tree = html.fromstring(text)
    assert len(tree.findall(".//svg")) == 3
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "text/javascript" in fetched(app + "renew.js")[0]["Content-Type"]
    assert "text/css" in fetched(app + "style.css")[0]["Content-Type"]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetched(app + "etc/passwd")


def fetched(url: str) -> tuple[Any, str]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.headers, answer.read().decode()
