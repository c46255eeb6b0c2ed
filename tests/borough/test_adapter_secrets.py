from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from borough.commands.adapter import adapter
from borough.home import Home, HomeError
from borough.roles.adapter_means import SECRET_CHARS_MAX, SealedSecrets, adapter_means
from borough.settings import Settings
from borough.wiring import create_keys
from ciaas.sensorisation.secrets import SecretMissing
from security.encryption.rewrap import Rewrap

CANARY = "canary-4711-battery"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    create_keys(home)
    monkeypatch.setenv("BOROUGH_HOME", str(home.path))
    return home


def kept(home: Home) -> SealedSecrets:
    from borough.wiring import open_keys

    return SealedSecrets(home.secrets, open_keys(home))


def run(name: str, secret: str, host: str = "broker.example") -> str:
    done = CliRunner().invoke(adapter, ["secret", name, "--host", host], input=f"{secret}\n")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def test_a_secret_is_sealed_on_the_disk_and_opens_for_its_host_alone(home: Home) -> None:
    assert CANARY not in run("city-broker", CANARY)
    on_disk = b"".join(path.read_bytes() for path in home.path.rglob("*") if path.is_file())
    assert CANARY.encode() not in on_disk
    assert kept(home).secret("city-broker", "broker.example") == CANARY
    with pytest.raises(SecretMissing, match=r"not for elsewhere\.example"):
        kept(home).secret("city-broker", "elsewhere.example")


def test_another_host_written_into_the_file_opens_nothing(home: Home) -> None:
    run("city-broker", CANARY)
    file = home.secrets / "city-broker.json"
    file.write_text(file.read_text().replace("broker.example", "elsewhere.example"))
    with pytest.raises(SecretMissing, match="cannot be read"):
        kept(home).secret("city-broker", "elsewhere.example")


def test_a_secret_can_be_changed_and_a_missing_one_says_what_to_run(home: Home) -> None:
    run("city-broker", "first")
    run("city-broker", CANARY)
    means = adapter_means(home, kept(home).keys, Settings(home=home.path))
    assert means.secrets.secret("city-broker", "broker.example") == CANARY
    with pytest.raises(SecretMissing, match="borough adapter secret other --host h"):
        means.secrets.secret("other", "h")


@pytest.mark.parametrize("name", ["../keys", "Upper", "", "a b"])
def test_a_name_is_never_a_path(home: Home, name: str) -> None:
    with pytest.raises(HomeError, match="no name of a secret"):
        run(name, CANARY)


@pytest.mark.parametrize("secret", ["", "x" * (SECRET_CHARS_MAX + 1), "a\x00b"])
def test_what_is_no_secret_is_refused(home: Home, secret: str) -> None:
    with pytest.raises(HomeError, match="one line"):
        run("city-broker", secret)


def test_a_rotation_takes_the_secrets_along_and_names_what_is_damaged(home: Home) -> None:
    secrets = kept(home)
    for name in ("one", "two", "three", "gone"):
        secrets.keep(name, "broker.example", f"{CANARY} {name}")
    (home.secrets / "two.json").write_text("{")
    secrets.keys.rotate()
    found = secrets.page("", 10)
    assert [sealed.key for sealed in found] == ["gone", "one", "three", "two"]
    assert [sealed.key for sealed in secrets.page("one", 1)] == ["three"]
    (home.secrets / "gone.json").unlink()
    secrets.keep("three", "broker.example", "changed meanwhile")
    secrets.replace([(sealed, "v2.9.x.y") for sealed in found if sealed.key in ("gone", "three")])
    work = Rewrap(secrets.keys.envelope, lambda: secrets.keys.version, (secrets,))
    work.work()
    assert work.progress.failures == ["adapter secrets: two"] and work.progress.seen == 3
    secrets.keys.forget(1)
    assert kept(home).secret("one", "broker.example") == f"{CANARY} one"
    assert kept(home).secret("three", "broker.example") == "changed meanwhile"
    assert not (home.secrets / "gone.json").exists()
