"""A version of the key ring is destroyed only when nothing can lie under it any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from borough.home import Home
from borough.roles.adapter_means import SealedSecrets
from borough.roles.keys import RingDesk
from borough.wiring import create_keys
from ciaas.ports import Conflict, Missing
from security.encryption.rewrap import Rewrap, SealedStore
from security.encryption.subjects import SubjectKeys

SUBJECT = "0123456789abcdef" * 2


class Bench:
    """A home with a secret of an adapter and the key of a data subject, under version 1."""

    def __init__(self, folder: Path) -> None:
        home = Home(folder)
        home.prepare()
        self.keys = create_keys(home)
        secrets = SealedSecrets(home.secrets, self.keys)
        secrets.keep("lamps", "broker.example", "secret")
        subjects = SubjectKeys(folder / "subjects", self.keys.envelope("data subjects"))
        subjects.make(SUBJECT)
        stores: tuple[SealedStore, ...] = (secrets, subjects)
        self.rewrap = Rewrap(self.keys.envelope, lambda: self.keys.version, stores)
        self.desk = RingDesk(self.keys, self.rewrap)
        self.files = (home.secrets / "lamps.json", folder / f"subjects/{SUBJECT}.key")

    def look(self) -> None:
        """Do what the thread would."""
        self.rewrap._wanted.clear()
        self.rewrap.work()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "home")


@pytest.mark.parametrize(
    ("number", "named"), [(0, "adapter secrets: lamps"), (1, f"data subjects: {SUBJECT}")]
)
def test_a_secret_that_cannot_be_read_keeps_every_version(
    bench: Bench, number: int, named: str
) -> None:
    """As a copy by hand leaves it; nobody can tell under which version it lies."""
    bench.files[number].chmod(0o640)
    bench.desk.rotate()
    bench.look()
    assert bench.rewrap.progress.done and bench.rewrap.progress.unread == 1
    with pytest.raises(Conflict, match=f"may lie under version 1.*{named}"):
        bench.desk.forget(1)
    assert sorted(bench.keys.versions) == [1, 2]
    bench.files[number].chmod(0o600)
    with pytest.raises(Conflict, match="wait until that is done"):
        bench.desk.forget(1)
    bench.look()
    bench.desk.forget(1)
    assert sorted(bench.keys.versions) == [2]


def test_a_version_that_is_not_there_or_current_is_refused(bench: Bench) -> None:
    with pytest.raises(Missing):
        bench.desk.forget(7)
    with pytest.raises(Conflict, match="rotate first"):
        bench.desk.forget(1)
