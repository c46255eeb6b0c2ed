"""A reader who does what the pages say sees what they show: each block is run, in order."""

from __future__ import annotations

import json
import re
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import httpx
import pytest

from borough.home import Home
from borough.platform import platform
from borough.settings import Listen, Settings
from tests.adapters.mqtt_brokers import mosquitto, publisher
from tests.e2e.conftest import Desk, free_port
from tests.e2e.gateway import gateway
from tests.e2e.intruder import intrude
from tests.e2e.pages import Block, assert_like, blocks
from tests.e2e.parking_feed import parking_feed

pytestmark = pytest.mark.slow

_MARK = "-- block {} --"
_LATE_S = 20.0
"""How long something may take on a busy machine that the platform does by itself."""


@pytest.fixture
def api(desk: Desk) -> Iterator[httpx.Client]:
    token = desk.run("./run token --admin").strip()
    with httpx.Client(
        base_url=f"http://{desk.settings.http}/api/v1",
        headers={"Authorization": f"Bearer {token}"},
        timeout=30.0,
    ) as client:
        yield client


def test_the_tutorial_for_developers(desk: Desk) -> None:
    page = blocks("tutorial-developer.md")
    assert [block.text for block in page if not block.language] == ["./run up\n"]
    read_along(desk, page)


def test_how_to_connect_modbus_devices(desk: Desk) -> None:
    page = blocks("howto-connect-modbus.md")
    with gateway() as port:
        document = page[0].text.replace("10.20.0.17", "127.0.0.1")
        (desk.folder / "pumps.yaml").write_text(document.replace("port: 502", f"port: {port}"))
        read_along(desk, page[1:])


def test_how_to_connect_documents_on_the_web(desk: Desk) -> None:
    page = [block for block in blocks("howto-connect-web.md") if block.language != "toml"]
    with parking_feed() as port:
        document = page[0].text.replace("10.20.0.30:8000", f"127.0.0.1:{port}")
        (desk.folder / "parks.yaml").write_text(document)
        read_along(desk, page[1:])


@pytest.mark.peer
def test_how_to_connect_what_publishes_on_another_broker(desk: Desk) -> None:
    page = blocks("howto-connect-mqtt.md")
    with mosquitto(desk.folder) as broker, publisher(broker) as device:
        device.publish(
            "zigbee2mqtt/bin harbour", '{"fill_level": 41.5, "contact": false}', retain=True
        )
        document = page[0].text.replace("10.20.0.40", "127.0.0.1")
        (desk.folder / "bins.yaml").write_text(document.replace("1883", str(broker.port)))
        read_along(desk, page[1:])


def test_how_rights_are_given(desk: Desk) -> None:
    read_along(desk, blocks("rights.md"))


def test_how_to_find_things(desk: Desk) -> None:
    read_along(desk, blocks("howto-find.md"))


def test_how_to_enrol_a_device(desk: Desk) -> None:
    page = blocks("howto-enrol-device.md")
    port = f'connect("localhost", {desk.settings.mqtts.port})'
    read_along(
        desk,
        [
            block._replace(text=block.text.replace('connect("localhost", 8883)', port))
            for block in page
            if block.language != "toml"
        ],
    )


def test_how_to_enrol_thousands(desk: Desk) -> None:
    read_along(desk, blocks("howto-enrol-thousands.md"))


def test_how_to_follow_a_city(desk: Desk) -> None:
    read_along(desk, blocks("howto-live.md"))


def test_how_to_ask_about_many_points(desk: Desk) -> None:
    read_along(desk, blocks("howto-query.md"))


def test_how_to_write_an_app(desk: Desk) -> None:
    read_along(desk, blocks("howto-app.md"))


def test_how_to_let_an_application_in(desk: Desk) -> None:
    read_along(desk, blocks("howto-applications.md"))


def test_how_people_come_and_what_projects_may_have(desk: Desk, api: httpx.Client) -> None:
    page = [block for block in blocks("howto-people.md") if block.language != "toml"]
    read_along(desk, page)
    [dora] = [user for user in api.get("/users").json() if user["name"] == "dora"]
    assert not dora["disabled"]
    assert api.get("/second-factor/administrators").json() == {"required": False}
    quotas = api.get("/projects/city/quotas").json()
    assert (quotas["endpoints"]["own"], quotas["messages_per_s"]["own"]) == (False, True)
    assert {one["bound"] for one in quotas.values()} == {None}
    [told] = [block.text for block in blocks("howto-people.md") if block.language == "toml"]
    settings = Settings(**tomllib.loads(told))
    assert (settings.mode, settings.project_creation) == ("public", "users")


def test_how_to_compose_a_mashup(desk: Desk) -> None:
    read_along(desk, blocks("howto-mashup.md"))


def test_what_auditors_are_told(desk: Desk, api: httpx.Client) -> None:
    device = intrude(api, desk.settings.mqtts, desk.folder)
    until(lambda: api.get("/quarantine", params={"endpoint": device}).json())
    refusal = until(lambda: recorded(desk, kind="refusal", who=device))
    page = blocks("auditor.md")
    [shown] = [json.loads(b.text) for b in page if '"kind": "refusal"' in b.text]
    assert_like(shown, refusal)
    until(lambda: recorded(desk, kind="presence", who=device, online=True))
    until(lambda: recorded(desk, kind="presence", who=device, online=False))
    read_along(desk, page)


def test_how_to_back_up(desk: Desk) -> None:
    read_along(desk, blocks("howto-backup.md"))


def test_how_to_use_keys(desk: Desk) -> None:
    read_along(desk, blocks("howto-keys.md"))


def test_how_to_speak_https(
    tmp_path_factory: pytest.TempPathFactory, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    [own, given] = [block.text for block in blocks("howto-https.md") if block.language == "toml"]
    told = tomllib.loads(own) | {"http": f"127.0.0.1:{free_port()}"}
    home = tmp_path_factory.mktemp("https") / "home"
    settings = Settings(home=home, mqtts=Listen("127.0.0.1", free_port()), **told)
    assert set(tomllib.loads(given)) <= set(Settings.model_fields)
    monkeypatch.setenv("BOROUGH_HTTPS", "true")
    monkeypatch.setenv("BOROUGH_CERTIFICATE_NAMES", json.dumps(told["certificate_names"]))
    with platform(Home(home), settings):
        [shell] = [b.text for b in blocks("howto-https.md") if b.language == "shell"]
        script = shell.replace("127.0.0.1:8443", str(settings.http))
        answer = Desk(desk.folder, home, settings).run(script)
        [shown] = [b.text for b in blocks("howto-https.md") if b.language == "json"]
        assert_like(json.loads(shown), json.loads(answer))


def read_along(desk: Desk, page: Sequence[Block]) -> None:
    """Do what a page says in one shell, and hold each answer against the one it shows."""
    script = []
    for number, block in enumerate(page):
        if block.language not in ("shell", "python"):
            continue
        script.append(f"echo '{_MARK.format(number)}'")
        if block.language == "shell":
            script += [block.text, "echo"]
        else:
            (desk.folder / f"block{number}.py").write_text(block.text)
            # What a page's Python takes from the shell, the reader was told to export.
            names = set(re.findall(r"os\.environ\['?\"?(\w+)", block.text))
            script += [f"export {name}" for name in sorted(names)]
            script.append(f"python3 block{number}.py")
    printed = re.split(r"^-- block (\d+) --\n", desk.run("\n".join(script)), flags=re.MULTILINE)
    said = {int(n): text.strip() for n, text in zip(printed[1::2], printed[2::2], strict=True)}
    assert said, "the page has nothing to run"
    for number, block in enumerate(page[1:], 1):
        if number - 1 not in said:
            continue
        if block.language == "json":
            assert_like(json.loads(block.text), json.loads(said[number - 1]), f"block {number}")
        elif block.language == "text":
            assert said[number - 1] == block.text.strip()


def recorded(desk: Desk, **wanted: object) -> Mapping[str, Any] | None:
    """Return the first line of the record with these values."""
    for path in sorted((desk.home / "audit").glob("record-*")):
        for line in path.read_text().splitlines():
            entry: dict[str, Any] = json.loads(line)
            if wanted.items() <= entry.items():
                return entry
    return None


def until(asked: Callable[[], Any]) -> Any:
    """Return the first true answer."""
    pause = threading.Event()
    for _ in range(int(_LATE_S / 0.1)):
        if answer := asked():
            return answer
        pause.wait(0.1)
    raise AssertionError(f"it did not come within {_LATE_S:g} s")
