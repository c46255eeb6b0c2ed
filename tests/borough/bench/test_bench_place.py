"""The place of a bench's platform: its own home and ports, the caller's other settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from borough.bench.query import Question
from borough.bench.rig.installation import place
from borough.settings import Settings, load_settings


def test_home_and_ports_are_its_own_and_gone_afterwards(tmp_path: Path) -> None:
    given = Settings(home=tmp_path)
    with place(given) as where:
        assert where.home.path.is_dir()
        assert where.home.path != tmp_path
        assert where.settings.home == where.home.path
        assert len({given.http, given.mqtts, where.settings.http, where.settings.mqtts}) == 4
        assert where.settings.http.loopback
        assert where.settings.mqtts.loopback
    assert not where.folder.exists()
    assert not list(tmp_path.iterdir())


def test_the_sync_interval_is_the_one_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place(Settings(home=tmp_path, sync_interval="always")) as where:
        monkeypatch.setenv("BOROUGH_HOME", str(where.home.path))
        monkeypatch.delenv("BOROUGH_SYNC_INTERVAL", raising=False)
        assert load_settings().sync_interval == "always"


def test_questions_are_asked_with_the_public_parameters() -> None:
    day = Question(1, "u/n/o/a", 0, 86_399_999, 1_440, None)
    assert day.path() == (
        "/api/v1/history/u/n/o/a?from=1970-01-01T00%3A00%3A00.000%2B00%3A00"
        "&to=1970-01-01T23%3A59%3A59.999%2B00%3A00&max=1440"
    )
    year = Question(1, "u/n/o/a", 0, 86_399_999, 500, 172_800)
    assert year.path() == (
        day.path().removesuffix("1440") + "500&resampleInterval=172800ms&resampleFunction=MEAN"
    )
