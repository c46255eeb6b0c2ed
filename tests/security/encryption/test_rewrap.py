"""A rotation brings every sealed secret under the newest version, whatever happens meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from security.encryption import rewrap as module
from security.encryption.envelope import version_of
from security.encryption.keyring import KeyRing
from security.encryption.rewrap import Rewrap, Sealed
from security.limits import REWRAP_FAILURES_TOLD_MAX, REWRAP_STEP


@dataclass
class Shelf:
    """A store of sealed secrets in memory, with what may go wrong in one."""

    ring: KeyRing
    purpose: str = "webhooks"
    texts: dict[str, str] = field(default_factory=dict)
    steps: list[int] = field(default_factory=list)
    refusals: list[OSError] = field(default_factory=list)
    before_replace: Callable[[], object] = lambda: None

    def fill(self, count: int) -> Shelf:
        for number in range(count):
            key = f"{number:06}"
            self.texts[key] = self.ring.envelope(self.purpose).seal(key.encode(), key)
        return self

    def count(self) -> int:
        return len(self.texts)

    def page(self, after: str, limit: int) -> Sequence[Sealed]:
        keys = sorted(key for key in self.texts if key > after)[:limit]
        return [Sealed(key, key, self.texts[key]) for key in keys]

    def replace(self, changes: Sequence[tuple[Sealed, str]]) -> None:
        self.before_replace()
        if self.refusals:
            raise self.refusals.pop()
        self.steps.append(len(changes))
        for was, text in changes:
            if self.texts.get(was.key) == was.text:
                self.texts[was.key] = text

    def versions(self) -> set[int]:
        return {version_of(text) for text in self.texts.values()}


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing.create(tmp_path / "keys.json")


def of(ring: KeyRing, *stores: Shelf) -> Rewrap:
    work = Rewrap(ring.envelope, lambda: ring.version, stores)
    work.pause_s = work.retry_s = 0.0
    return work


def test_everything_lies_under_the_newest_version_after_it(ring: KeyRing) -> None:
    stores = Shelf(ring).fill(2 * REWRAP_STEP + 1), Shelf(ring, "named keys").fill(3)
    ring.rotate()
    work = of(ring, *stores)
    work.work()
    total = 2 * REWRAP_STEP + 4
    progress = work.progress
    assert progress.done and progress.version == 2
    assert (progress.total, progress.seen, progress.rewrapped) == (total, total, total)
    assert progress.in_use == {2: total}
    for store in stores:
        assert store.versions() == {2}
        for key, text in store.texts.items():
            assert ring.envelope(store.purpose).open(text, key) == key.encode()
    assert stores[0].steps == [REWRAP_STEP, REWRAP_STEP, 1], "steps are bounded"
    work.work()
    assert work.progress.rewrapped == 0 and len(stores[0].steps) == 3


def test_what_a_kill_left_is_taken_up_by_the_next_start(ring: KeyRing) -> None:
    store = Shelf(ring).fill(3 * REWRAP_STEP)
    ring.rotate()

    def die() -> None:
        if len(store.steps) == 1:
            raise KeyboardInterrupt

    store.before_replace = die
    with pytest.raises(KeyboardInterrupt):
        of(ring, store).work()
    assert store.versions() == {1, 2}
    for key, text in store.texts.items():
        assert ring.envelope(store.purpose).open(text, key) == key.encode(), "readable meanwhile"
    store.before_replace = lambda: None
    second = of(ring, store)
    second.start()
    finished(second)
    assert store.versions() == {2} and second.progress.rewrapped == 2 * REWRAP_STEP
    second.stop()


def finished(work: Rewrap, version: int = 2) -> None:
    waited = threading.Event()
    for _ in range(2_000):
        if work.progress.done and work.progress.version == version:
            return
        waited.wait(0.005)
    raise AssertionError(work.progress)


def test_a_rotation_in_the_middle_of_one_begins_anew(ring: KeyRing) -> None:
    store = Shelf(ring).fill(3 * REWRAP_STEP)
    work = of(ring, store)

    def rotate_once() -> None:
        store.before_replace = lambda: None
        ring.rotate()
        work.begin()

    ring.rotate()
    store.before_replace = rotate_once
    work.start()
    finished(work, 3)
    work.stop()
    assert store.versions() == {3}
    assert work.progress.in_use == {3: 3 * REWRAP_STEP}


def test_a_store_that_cannot_be_written_is_tried_again_and_said(ring: KeyRing) -> None:
    store = Shelf(ring).fill(3)
    ring.rotate()
    told: list[str] = []
    store.refusals = [OSError("the disk is full")]
    work = of(ring, store)
    store.before_replace = lambda: told.append(work.progress.trouble)
    work.start()
    finished(work)
    work.stop()
    assert store.versions() == {2} and store.refusals == []
    assert work.progress.trouble == ""


def test_the_trouble_is_told_while_it_lasts(ring: KeyRing) -> None:
    store = Shelf(ring).fill(3)
    ring.rotate()
    work = of(ring, store)
    work.retry_s = 60.0
    store.refusals = [OSError("the disk is full")]
    work.start()
    waited = threading.Event()
    for _ in range(2_000):
        if work.progress.trouble:
            break
        waited.wait(0.005)
    assert work.progress.trouble == "the disk is full" and not work.progress.done
    work.stop()
    assert store.versions() == {1}


def test_a_secret_that_does_not_open_is_named_and_stops_nothing(ring: KeyRing) -> None:
    store = Shelf(ring).fill(REWRAP_FAILURES_TOLD_MAX + 10)
    for number in range(REWRAP_FAILURES_TOLD_MAX + 5):
        key = f"{number:06}"
        store.texts[key] = ring.envelope("webhooks").seal(b"moved here", "elsewhere")
    store.texts["000000"] = "no sealed text"
    ring.rotate()
    work = of(ring, store)
    work.work()
    progress = work.progress
    assert progress.done and progress.failed == REWRAP_FAILURES_TOLD_MAX + 5
    assert len(progress.failures) == REWRAP_FAILURES_TOLD_MAX
    assert progress.failures[0] == "webhooks: 000000"
    assert progress.in_use == {1: REWRAP_FAILURES_TOLD_MAX + 4, 2: 5}


def test_a_secret_changed_meanwhile_keeps_its_new_value(ring: KeyRing) -> None:
    store = Shelf(ring).fill(2)
    ring.rotate()

    def change() -> None:
        store.texts["000000"] = ring.envelope("webhooks").seal(b"changed", "000000")
        del store.texts["000001"]

    store.before_replace = change
    of(ring, store).work()
    assert list(store.texts) == ["000000"]
    assert ring.envelope("webhooks").open(store.texts["000000"], "000000") == b"changed"


def test_stopping_waits_for_the_step_under_way_alone(
    ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REWRAP_STEP", 1)
    store = Shelf(ring).fill(50)
    ring.rotate()
    work = of(ring, store)
    work.pause_s = 60.0
    work.start()
    waited = threading.Event()
    for _ in range(2_000):
        if store.steps:
            break
        waited.wait(0.005)
    work.stop()
    assert len(store.steps) == 1
    of(ring, store).stop()  # one that was never started
