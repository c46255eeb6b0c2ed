"""Settings: where they come from, which wins, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from borough.settings import Listen, SettingsError, default_home, load_settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HTTP", "MQTTS", "SYNC_INTERVAL", "FUTURE_S", "PROJECT", "CERTIFICATE_NAMES"):
        monkeypatch.delenv(f"BOROUGH_{name}", raising=False)
    monkeypatch.setenv("BOROUGH_HOME", str(tmp_path))
    return tmp_path


def test_defaults(home: Path) -> None:
    settings = load_settings()
    assert settings.home == home
    assert settings.http == Listen("127.0.0.1", 8080)
    assert settings.mqtts == Listen("127.0.0.1", 8883)
    assert settings.sync_interval == "1s"
    assert settings.certificate_names == ()


def test_the_environment_wins_over_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "borough.toml").write_text(
        'http = "127.0.0.1:1000"\nmqtts = "127.0.0.1:2000"\ncertificate_names = ["city.test"]\n'
    )
    monkeypatch.setenv("BOROUGH_HTTP", "127.0.0.1:3000")
    settings = load_settings()
    assert str(settings.http) == "127.0.0.1:3000"
    assert str(settings.mqtts) == "127.0.0.1:2000"
    assert settings.certificate_names == ("city.test",)


@pytest.mark.parametrize("text", ["8080", "host:", ":80", "host:0", "host:65536", "host:x", ""])
def test_what_is_no_host_and_port_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOROUGH_HTTP", text)
    with pytest.raises(SettingsError, match=r"setting 'http': .* is not host:port"):
        load_settings()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('sync_interval = "2s"', "setting 'sync_interval': Input should be '1s' or 'always'"),
        ("future_s = 0", "setting 'future_s': Input should be greater than 0"),
        ("http = 8080", "setting 'http': "),
        ("colour = 1", "setting 'colour': Extra inputs are not permitted"),
        ("http =", "borough.toml: "),
    ],
)
def test_a_wrong_line_of_the_file_is_named(home: Path, line: str, said: str) -> None:
    (home / "borough.toml").write_text(line)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


def test_the_home_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOROUGH_HOME", "below")
    assert load_settings().home == tmp_path / "below"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BOROUGH_HOME", "~/mine")
    assert load_settings().home == tmp_path / "mine"


def test_without_a_home_the_users_data_directory_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_home() == Path("/data/borough")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/people/me")
    assert default_home() == Path("/people/me/.local/share/borough")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *[(host, True) for host in ("127.0.0.1", "127.3.2.1", "localhost", "::1")],
        *[(host, False) for host in ("0.0.0.0", "192.0.2.1", "::")],
    ],
)
def test_what_only_this_machine_reaches(host: str, loopback: bool) -> None:
    assert Listen(host, 1).loopback is loopback


@pytest.mark.parametrize(
    ("days", "shortest"), [("6.9", None), ("30.1", None), ("0", None), ("x", None), ("8", "9")]
)
def test_a_device_s_certificate_lives_for_7_to_30_days(
    days: str, shortest: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOROUGH_DEVICE_CERTIFICATE_DAYS", days)
    if shortest is not None:
        monkeypatch.setenv("BOROUGH_DEVICE_CERTIFICATE_DAYS_MIN", shortest)
    with pytest.raises(SettingsError, match="days"):
        load_settings()


def test_where_est_is_served_is_a_host_and_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().est is None
    monkeypatch.setenv("BOROUGH_EST", "0.0.0.0:8443")
    assert str(load_settings().est) == "0.0.0.0:8443"
    monkeypatch.setenv("BOROUGH_EST", "8443")
    with pytest.raises(SettingsError, match="est"):
        load_settings()
