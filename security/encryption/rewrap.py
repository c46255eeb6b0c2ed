"""Re-wrap: brings every sealed secret of a home under the newest version of the key ring."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from security.encryption.envelope import Envelope, SealingError, version_of
from security.limits import REWRAP_FAILURES_TOLD_MAX, REWRAP_PAUSE_S, REWRAP_STEP

log = logging.getLogger(__name__)


class Sealed(NamedTuple):
    """One sealed secret as it lies in its store."""

    key: str
    """By which the store orders and finds it; not the empty text."""
    place: str
    """What it was sealed for."""
    text: str


class SealedStore(Protocol):
    """A place where sealed secrets of one purpose lie; any thread may call."""

    @property
    def purpose(self) -> str:
        """What they are sealed for."""
        ...

    def count(self) -> int:
        """Return how many there are."""
        ...

    def page(self, after: str, limit: int) -> Sequence[Sealed]:
        """Return those behind a key, ordered by key, at most ``limit``; "" begins."""
        ...

    def replace(self, changes: Sequence[tuple[Sealed, str]]) -> None:
        """Put each text in the place of the one that was read, durably, all or none of a store.

        One that was changed or taken away meanwhile is left as it is.

        Raises:
            OSError, and what the store raises when it cannot be written.
        """
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a re-wrap is. A snapshot."""

    version: int
    """Under which all is brought."""
    total: int = 0
    """Secrets there were when it began."""
    seen: int = 0
    rewrapped: int = 0
    """Of those seen; the others were under the version already."""
    failed: int = 0
    failures: Sequence[str] = ()
    """Purpose and key of the first that do not open."""
    unread: int = 0
    """Of those failed, how many may lie under any version, as their texts do not tell."""
    done: bool = False
    in_use: Mapping[int, int] = field(default_factory=dict)
    """How many of those seen lie under which version now; 0 is the form before versions."""
    trouble: str = ""
    """Why it waits, empty while it does not."""


class Rewrap:
    """One thread that re-wraps, step by step, whenever it is told to; it begins with a look.

    A step is one transaction of one store, so that a kill loses a step at most and the next start
    goes on with what is left: texts say under which version they lie.

    Args:
        envelope: Returns what opens and seals a purpose.
        version: Returns the newest version of the ring.
        stores: Where sealed secrets lie.
        faults: What a store raises when it cannot be written; it is tried again.
    """

    def __init__(
        self,
        envelope: Callable[[str], Envelope],
        version: Callable[[], int],
        stores: Sequence[SealedStore],
        faults: tuple[type[Exception], ...] = (OSError,),
    ) -> None:
        self._envelope, self._version, self._stores = envelope, version, stores
        self._faults = faults
        self._wanted, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="re-wrap", daemon=True)
        self._progress = Progress(version())
        self._telling = threading.Lock()
        self.retry_s = 5.0
        """Pause after a store that could not be written."""
        self.pause_s = REWRAP_PAUSE_S

    @property
    def progress(self) -> Progress:
        """How far the newest re-wrap is."""
        return self._progress

    def start(self) -> None:
        """Begin with whatever an earlier process left under an older version."""
        self._wanted.set()
        self._thread.start()

    def begin(self) -> None:
        """Re-wrap all from the beginning; call it after a rotation. Returns at once."""
        with self._telling:
            self._progress = Progress(self._version())
            self._wanted.set()

    def stop(self) -> None:
        """End after the step under way."""
        self._ended.set()
        self._wanted.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._ended.is_set():
                return
            try:
                self.work()
            except self._faults as error:
                log.warning("re-wrapping of secrets waits: %s", error)
                self._tell(replace(self._progress, trouble=str(error)))
                self._ended.wait(self.retry_s)
                self._wanted.set()

    def work(self) -> None:
        """Go through all stores once; returns early when told to stop or to begin again.

        Raises:
            What a store raises that cannot be read or written.
        """
        progress = Progress(self._version(), sum(store.count() for store in self._stores))
        self._tell(progress)
        for store in self._stores:
            after = ""
            while page := store.page(after, REWRAP_STEP):
                progress = self._step(store, page, progress)
                self._tell(progress)
                after = page[-1].key
                if self._ended.wait(self.pause_s) or self._wanted.is_set():
                    return
        self._tell(replace(progress, done=True))
        if progress.rewrapped:
            log.info(
                "%d secrets lie under version %d of the key ring now",
                progress.rewrapped,
                progress.version,
            )

    def _tell(self, progress: Progress) -> None:
        with self._telling:
            if not self._wanted.is_set():  # else it is about what is begun anew already
                self._progress = progress

    def _step(self, store: SealedStore, page: Sequence[Sealed], so_far: Progress) -> Progress:
        envelope = self._envelope(store.purpose)
        changes: list[tuple[Sealed, str]] = []
        failures, in_use = list(so_far.failures), dict(so_far.in_use)
        failed, unread = so_far.failed, so_far.unread
        for sealed in page:
            text = sealed.text
            version: int | None
            try:
                fresh = envelope.rewrapped(text, sealed.place)
                if fresh is not None:
                    changes.append((sealed, fresh))
                    text = fresh
                version = version_of(text)
            except SealingError:
                failed += 1
                failures.append(f"{store.purpose}: {sealed.key}")
                version = _version_or_none(text)
            if version is None:
                unread += 1
            else:
                in_use[version] = in_use.get(version, 0) + 1
        if changes:
            store.replace(changes)
        return replace(
            so_far,
            seen=so_far.seen + len(page),
            rewrapped=so_far.rewrapped + len(changes),
            failed=failed,
            failures=failures[:REWRAP_FAILURES_TOLD_MAX],
            unread=unread,
            in_use=in_use,
        )


def _version_or_none(text: str) -> int | None:
    try:
        return version_of(text)
    except SealingError:
        return None
