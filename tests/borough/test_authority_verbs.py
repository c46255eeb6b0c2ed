"""What is done to the authority while the platform is stopped."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from borough import tiers
from borough.cli import borough
from borough.clock import MachineClock
from borough.home import Home, HomeError, Lock
from borough.wiring import create_keys, open_keys
from ciaas.storage.registry import migrate, open_registry
from security.encryption import tiers as authority_tiers
from security.encryption.authority import Authority
from security.encryption.certificates import AuthorityError
from security.limits import DEVICE_CERTIFICATE_DAYS_MAX, ISSUING_DAYS
from security.ports import CertificateEntry
from tests.security.encryption.test_tiers import old_home

DAY_MS = 86_400_000
CLOCK = MachineClock()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def opened(home: Home) -> Authority:
    return Authority.open(home.authority, open_keys(home).ca_passphrase, CLOCK.now_ms)


def names(home: Home) -> list[str]:
    return [tier.name for tier in tiers.show(home)]


def secret(folder: Path, text: str) -> Path:
    path = folder / "passphrase"
    path.touch(0o600)
    path.write_text(text + "\n")
    return path


def test_both_tiers_are_made_before_the_first_start(home: Home) -> None:
    with pytest.raises(HomeError, match="the first start makes one"):
        tiers.show(home)
    assert "can be started" in tiers.initialise(home, None)
    assert names(home) == ["root", "issuing"]
    [root, issuing] = tiers.show(home)
    assert root.key == home.authority / "1/root.key"
    assert issuing.trusted_until == issuing.ends
    assert opened(home).issue_platform("core")
    with pytest.raises(HomeError, match="both tiers already"):
        tiers.initialise(home, None)


def test_the_root_may_have_a_passphrase_of_its_own(home: Home, tmp_path: Path) -> None:
    own = secret(tmp_path, "correct horse battery")
    tiers.initialise(home, own)
    with pytest.raises(HomeError, match="cannot be opened with this passphrase"):
        tiers.issue_issuing(home, None, None)
    assert "good until 20" in tiers.issue_issuing(home, None, own)
    assert names(home) == ["root", "issuing", "earlier"]


def test_a_passphrase_is_long_and_its_owner_s_alone(home: Home, tmp_path: Path) -> None:
    path = secret(tmp_path, "too short")
    with pytest.raises(HomeError, match="fewer than 12 characters"):
        tiers.initialise(home, path)
    path.chmod(0o644)
    with pytest.raises(HomeError, match="chmod 600"):
        tiers.initialise(home, path)
    assert not list(home.authority.iterdir())


def test_the_root_s_key_is_brought_from_where_it_was_taken(home: Home, tmp_path: Path) -> None:
    tiers.initialise(home, None)
    stick = tmp_path / "root.key"
    (home.authority / "1/root.key").rename(stick)
    assert tiers.show(home)[0].key is None
    with pytest.raises(HomeError, match="cannot be read"):
        tiers.issue_issuing(home, None, None)
    before = opened(home).issuing_pem
    tiers.issue_issuing(home, stick, None)
    assert opened(home).issuing_pem != before


def test_nothing_is_done_to_a_platform_that_runs(home: Home) -> None:
    tiers.initialise(home, None)
    lock = Lock(home, "watch")
    lock.take()
    for verb in (tiers.initialise, tiers.rotate):
        with pytest.raises(HomeError, match="already runs"):
            verb(home, None)
    with pytest.raises(HomeError, match="already runs"):
        tiers.issue_issuing(home, None, None)
    lock.release()
    assert tiers.show(home)


def test_a_home_of_an_earlier_version_is_followed_until_its_last_certificate_ends(
    home: Home,
) -> None:
    home.prepare()
    passphrase = create_keys(home).ca_passphrase
    root = old_home(home.authority, passphrase)
    migrate(home.registry)
    ends = CLOCK.now_ms() + 80 * DAY_MS
    with open_registry(home.registry, clock=CLOCK) as registry:
        project = registry.resources.create_project("city")
        lamp = registry.resources.create_endpoint(project.id, "Lamp", {})
        for serial, end, revoked in (
            ("1", ends - DAY_MS, False), ("2", ends, False), ("3", ends + DAY_MS, True)
        ):  # fmt: skip
            entry = CertificateEntry(serial, lamp.uuid, serial * 64, end, revoked=revoked)
            registry.certificates.add_certificate(entry)
    assert names(home) == ["root"]
    with pytest.raises(HomeError, match="run: borough ca init"):
        tiers.rotate(home, None)
    with pytest.raises(HomeError, match="run: borough ca init"):
        tiers.issue_issuing(home, None, None)
    told = tiers.initialise(home, None)
    day = datetime.fromtimestamp(ends / 1000, UTC)
    assert f"trusted until {day:%Y-%m-%d}" in told
    assert names(home) == ["root", "issuing", "former"]
    anchors = x509.load_pem_x509_certificates((home.authority / "ca.pem").read_bytes())
    assert anchors[1:] == [root]
    assert not (home.authority / "ca.key").exists()
    server = opened(home).issue_server(["localhost"], []).certificate_pem
    x509.load_pem_x509_certificate(server).verify_directly_issued_by(root)


def test_a_migration_that_was_cut_short_is_finished(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.prepare()
    passphrase = create_keys(home).ca_passphrase
    old_home(home.authority, passphrase)

    def killed(directory: Path, until: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("security.encryption.tiers.retire", killed)
        with pytest.raises(KeyboardInterrupt):
            tiers.initialise(home, None)
    assert "trusted until" in tiers.initialise(home, None)
    assert names(home) == ["root", "issuing", "former"]
    with pytest.raises(HomeError, match="both tiers already"):
        tiers.initialise(home, None)


def test_another_root_leaves_the_one_before_a_month_at_least(home: Home) -> None:
    tiers.initialise(home, None)
    before = opened(home).anchors_pem
    tiers.rotate(home, None)
    [*_, former] = tiers.show(home)
    left = former.trusted_until - datetime.now(UTC)
    assert DEVICE_CERTIFICATE_DAYS_MAX - 1 <= left.days <= DEVICE_CERTIFICATE_DAYS_MAX
    after = opened(home).anchors_pem
    assert before in after and after != before
    assert (home.authority / "ca.pem").read_bytes() == after


def made_before(home: Home, days: int) -> x509.Certificate:
    """Make both tiers as so many days ago; gives the root."""
    home.prepare()
    passphrase = create_keys(home).ca_passphrase
    made = CLOCK.now_ms() - days * DAY_MS
    root = authority_tiers.make_generation(home.authority, passphrase, passphrase, made).root
    authority_tiers.publish(home.authority, made)
    return root


def test_another_root_near_the_end_of_the_issuing_authority_follows_it_until_that(
    home: Home,
) -> None:
    root = made_before(home, ISSUING_DAYS - 10)
    [_, issuing] = tiers.show(home)
    assert f"trusted until {issuing.ends:%Y-%m-%d}" in tiers.rotate(home, None)
    [*_, former] = tiers.show(home)
    assert former.trusted_until == issuing.ends
    ends_ms = int(issuing.ends.timestamp()) * 1_000
    passphrase = open_keys(home).ca_passphrase
    for now_ms, chain in ((ends_ms - DAY_MS, True), (ends_ms, False)):
        late = Authority.open(home.authority, passphrase, partial(int, now_ms))
        server = late.issue_server(["localhost"], []).certificate_pem
        shown = x509.load_pem_x509_certificates(server)[-1]
        assert (shown.issuer == root.subject) is chain
        anchors = x509.load_pem_x509_certificates(late.anchors_pem)
        assert (root in anchors) is chain
    assert b"BEGIN" in opened(home).issue_server(["localhost"], []).certificate_pem


def test_another_root_after_the_end_of_the_issuing_authority_signs_for_servers(home: Home) -> None:
    root = made_before(home, ISSUING_DAYS + 1)
    with pytest.raises(AuthorityError, match="has expired"):
        opened(home).issue_server(["localhost"], [])
    assert "all that the one before issued has ended" in tiers.rotate(home, None)
    assert names(home) == ["root", "issuing"]
    authority = opened(home)
    server = x509.load_pem_x509_certificate(
        authority.issue_server(["localhost"], []).certificate_pem
    )
    assert server.not_valid_after_utc > datetime.now(UTC)
    assert authority.signs_for(server)
    assert root not in x509.load_pem_x509_certificates(authority.anchors_pem)


def test_an_issuing_authority_that_ended_signs_for_no_server_though_it_counts(home: Home) -> None:
    """As an earlier version wrote it: until beyond the end."""
    made_before(home, ISSUING_DAYS + 1)
    passphrase = open_keys(home).ca_passphrase
    authority_tiers.make_generation(home.authority, passphrase, passphrase, CLOCK.now_ms())
    until = json.dumps({"until": CLOCK.now_ms() + 30 * DAY_MS})
    (home.authority / "1/former.json").write_text(until)
    assert opened(home).issue_server(["localhost"], [])


def test_the_command_line_shows_them_for_people_and_machines(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOROUGH_HOME", str(home.path))
    assert CliRunner().invoke(borough, ["ca", "init"]).exit_code == 0
    shown = CliRunner().invoke(borough, ["ca", "show"]).output.splitlines()
    assert [line.split()[0] for line in shown[:2]] == ["root", "issuing"]
    assert shown[-1].endswith("to a safe place.")
    told = json.loads(CliRunner().invoke(borough, ["ca", "show", "--json"]).output)
    root = x509.load_pem_x509_certificate((home.authority / "1/root.pem").read_bytes())
    assert told["tiers"][0]["serial"] == f"{root.serial_number:x}"
    assert told["tiers"][0]["key"] == str(home.authority / "1/root.key")
    for word in ("issue-issuing", "rotate"):
        assert CliRunner().invoke(borough, ["ca", word]).exit_code == 0
    assert len(json.loads(CliRunner().invoke(borough, ["ca", "show", "--json"]).output)) == 1


def test_keys_in_the_home_are_its_owner_s_alone(home: Home) -> None:
    tiers.initialise(home, None)
    for path in home.authority.rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            for line in path.read_text().splitlines():
                assert line != "-----BEGIN PRIVATE KEY-----"
    key = (home.authority / "1/root.key").read_bytes()
    with pytest.raises(TypeError):
        serialization.load_pem_private_key(key, None)
