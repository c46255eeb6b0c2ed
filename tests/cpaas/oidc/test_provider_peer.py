"""The provider as npm's openid-client finds it: a relying party that shares no code with us."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from borough.console.checkout import CONSOLE
from borough.console.node import BuildError, Node, find_node
from tests.cpaas.conftest import House
from tests.cpaas.oidc.conftest import CALLBACK, Browser, Page, register

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(240)]

_SOURCES = Path(__file__).with_name("relying_party")
_INSTALL_S = 120.0


@dataclass
class Peer:
    """The application, in a process of its own."""

    process: subprocess.Popen[str]

    def asked(self, do: str, **more: Any) -> dict[str, Any]:
        """Return what came of one step: ``ok`` or ``error``."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps({"do": do, **more}) + "\n")
        stdin.flush()
        line = stdout.readline()
        assert line, "the relying party ended"
        found: dict[str, Any] = json.loads(line)
        return found

    def does(self, do: str, **more: Any) -> Any:
        """Return what came of a step that has to succeed."""
        found = self.asked(do, **more)
        assert "ok" in found, found
        return found["ok"]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> tuple[Node, Path]:
    """openid-client as its lock file says, fetched for this run."""
    folder = tmp_path_factory.mktemp("relying-party")
    for source in _SOURCES.iterdir():
        if source.is_file():
            shutil.copy(source, folder)
    try:
        node = find_node(CONSOLE.node_lock)
        install = [str(node.npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        node.run([*install, "--loglevel=error"], folder, "installing openid-client", _INSTALL_S)
    except BuildError as error:
        if "BOROUGH_CI" in os.environ:
            raise
        pytest.skip(f"there is no npm registry here: {error}")
    return node, folder


@pytest.fixture(params=["ES256", "RS256"])
def peer(
    request: pytest.FixtureRequest, city: House, base: str, library: tuple[Node, Path]
) -> Iterator[Peer]:
    node, folder = library
    alg: str = request.param
    made = register(city, id_token_alg=alg)
    given = {
        "issuer": base,
        "client_id": made["client_id"],
        "metadata": {
            "client_secret": made["client_secret"],
            "id_token_signed_response_alg": alg,
        },
        "redirect_uri": CALLBACK,
        "scope": "openid profile offline_access read",
    }
    process = subprocess.Popen(
        [node.program, "walk.mjs", json.dumps(given)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield Peer(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(20)


def walked(browser: Browser, base: str, url: str) -> str:
    """Return where the browser ends up when its person signs in and agrees."""
    step = browser.get(url.removeprefix(base))
    if isinstance(step, Page) and "/oauth2/login" in step.action:
        step = browser.sign_in(step)
    if isinstance(step, Page):
        step = browser.send(step, decision="allow")
    assert isinstance(step, str)
    return step


def test_a_foreign_library_walks_every_flow(
    city: House, base: str, browser: Browser, peer: Peer
) -> None:
    back = walked(browser, base, peer.does("begin"))
    found = peer.does("finish", url=back, max_age=600)
    assert found["claims"]["name"] == "maria"
    assert peer.does("userinfo")["name"] == "maria"
    token = found["tokens"]["access_token"]
    assert city.client(token).get("/account").json()["name"] == "maria"
    assert peer.does("refresh")["access_token"] != token
    assert peer.does("introspect")["active"] is True
    assert peer.does("exchange", scope="read")["scope"] == "read"
    assert peer.does("credentials", scope="read")["expires_in"] > 0
    left = browser.get(peer.does("leave", target="https://app.example/bye").removeprefix(base))
    assert left == "https://app.example/bye?state=bye"
    assert peer.does("introspect")["active"] is True  # offline_access goes on without the sign-in
    peer.does("revoke")
    assert peer.does("introspect")["active"] is False
    assert peer.asked("refresh") == {
        "error": "OAUTH_RESPONSE_BODY_ERROR",
        "cause": "invalid_grant",
    }


def test_a_foreign_library_lets_a_device_in(base: str, browser: Browser, peer: Peer) -> None:
    waiting = peer.does("device")
    page = browser.get(waiting["verification_uri_complete"].removeprefix(base))
    assert isinstance(page, Page)
    form = browser.sign_in(page)
    assert isinstance(form, Page)
    asked = browser.send(form, user_code=waiting["user_code"])
    assert isinstance(asked, Page)
    browser.send(asked, decision="allow")
    tokens = peer.does("poll")
    assert tokens["refresh_token"]


def test_a_foreign_library_notices_answers_that_were_mixed_up(
    base: str, browser: Browser, peer: Peer
) -> None:
    back = walked(browser, base, peer.does("begin"))
    mixed = back.replace("iss=http", "iss=https")
    assert peer.asked("finish", url=mixed)["error"] == "OAUTH_INVALID_RESPONSE"
    silent = browser.get(peer.does("begin", parameters={"prompt": "none"}).removeprefix(base))
    assert isinstance(silent, str)
    assert peer.does("finish", url=silent)["claims"]["name"] == "maria"
