"""The command line beside a running platform: tokens without end, and whose platform answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from borough.client import TOKENS_IN_FORCE_MAX, local_client
from borough.home import Home, HomeError
from borough.platform import starting
from borough.settings import Listen, Settings
from security.limits import TOKENS_ISSUED_PER_USER_MAX
from tests.promises.platform import Platform, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with running(tmp_path_factory.mktemp("city") / "home") as platform:
        yield platform


@pytest.fixture
def settings(platform: Platform) -> Settings:
    host, port = platform.http.rsplit(":", 1)
    return Settings(home=platform.home, http=Listen(host, int(port)))


def test_a_script_may_ask_for_a_token_as_often_as_it_likes(settings: Settings) -> None:
    with local_client(Home(settings.home), settings) as client:
        for _ in range(TOKENS_ISSUED_PER_USER_MAX + 2):
            client.issue_token()
        labels = [token["label"] for token in client.call("GET", "/tokens")]
    assert labels.count("command line") == TOKENS_IN_FORCE_MAX
    assert labels.count("key file") == 1


def test_a_platform_that_has_the_port_is_not_taken_for_our_own(
    settings: Settings, tmp_path: Path
) -> None:
    with (
        starting(Home(tmp_path / "other"), settings, quiet=True) as coming,
        pytest.raises(HomeError, match=f"{settings.http} cannot be used for http"),
    ):
        coming.wait_ready()
