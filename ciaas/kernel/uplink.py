"""The uplink: what devices, adapters and apps send becomes numbered commits of history."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from queue import Empty, Full, Queue
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel import columns
from ciaas.kernel.columns import ColumnsError
from ciaas.kernel.sample import Frame, Uint32s
from ciaas.limits import (
    APP_WRITES_WAITING,
    GATHER_MESSAGES,
    GATHER_S,
    GATHER_S_MAX,
    INTERRUPTIONS_MAX,
)
from ciaas.ports import (
    Aside,
    Batch,
    Commit,
    Conflict,
    DiskFull,
    HistoryStore,
    Interrupted,
    JournalLine,
    Message,
    Missing,
    Receipt,
    RegistryError,
    Source,
)

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_PURGE_EACH_S = 1.0
_DISK_FULL_WAIT_S = 1.0
_IDLE_S = 0.5
_WORK_SHARE = 3
"""A round lasts so many times its work, within the bounds of gathering."""
_HELD_BACK = "the disk of the home is full and nothing was recorded; make room, then try again"
_ENDING = "the platform is stopping and nothing was recorded; try again in a moment"


class Busy(Exception):
    """Nothing was recorded: too much waits, or we stop. The same call may succeed in a moment."""


class Decoded(Protocol):
    """What the decoder made of a batch."""

    @property
    def frame(self) -> Frame:
        """The samples."""
        ...

    @property
    def aside(self) -> Sequence[Aside]:
        """What could not be used, with reasons."""
        ...

    @property
    def journal(self) -> Sequence[JournalLine]:
        """What devices wrote about themselves."""
        ...


class Decode(Protocol):
    """Turns messages into columns; malformed and unknown parts are set aside with a reason."""

    def __call__(self, messages: Sequence[Message]) -> Decoded:
        """Decode messages one by one, in order."""
        ...


class Volatile(Protocol):
    """QoS 0 messages: best effort, nothing to acknowledge."""

    def take(self) -> Sequence[Message]:
        """Return what waits, empty when nothing does."""
        ...


class Known(Protocol):
    """Tells which numbers stand for a registered point."""

    def knows(self, points: Uint32s) -> NDArray[np.bool_]:
        """Return a mask of the point numbers that exist."""
        ...


class _Write(NamedTuple):
    """An app's own samples, waiting for their commit."""

    frame: Frame
    receipt: Receipt | None
    done: Future[Commit]


@dataclass(slots=True)
class Uplink:
    """The one writer of history. Its flow is `_carry`; the rest feeds it."""

    devices: Source
    roles: Source
    """The stream INTERNAL: columnar frames from adapters and mashups."""
    volatile: Volatile
    decode: Decode
    judge: Callable[[Frame], Frame]
    history: HistoryStore
    publish: Callable[[Commit], None]
    """Offers a commit to the live stream; returns at once."""
    known: Known
    doorbell: threading.Event
    failed: Callable[[BaseException], None]
    """Told when the writer ends by a fault; the process has to end and start again."""
    disk_full: bool = False
    """True while commits are held back because the disk is full; nothing is lost meanwhile."""
    skipped: int = 0
    """Messages that came again although recorded."""
    _writes: Queue[_Write] = field(default_factory=lambda: Queue(APP_WRITES_WAITING))
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _purged: float = 0.0

    def start(self) -> None:
        """Begin to carry."""
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the batch in hand and end; what was not taken stays where it was."""
        self._stopping.set()
        self.doorbell.set()
        if self._thread is not None:
            self._thread.join()
        self._refuse_writes(Busy(_ENDING))

    def write(self, frame: Frame, receipt: Receipt | None = None) -> Future[Commit]:
        """Hand over an app's samples; the future holds their commit once it is recorded.

        Raises:
            Busy: APP_WRITES_WAITING writes wait already. The future may hold it too, when the
                uplink stops before the write's turn.
            DiskFull: the uplink is held back; waiting would be for as long as that takes.
        """
        if self.disk_full:
            raise DiskFull(_HELD_BACK)
        done: Future[Commit] = Future()
        try:
            self._writes.put_nowait(_Write(frame, receipt, done))
        except Full:
            raise Busy("too many writes are waiting; try again in a second") from None
        self.doorbell.set()
        if self._stopping.is_set():  # nobody may be left who would take it
            self._refuse_writes(Busy(_ENDING))
        return done

    # -- the flow

    def _carry(self, batch: Batch) -> None:
        """Device → city: decode, judge, record, acknowledge, publish."""
        intake = batch.intake()
        stored = self.history.stored(intake.stream, intake.sequences, intake.received)
        fresh = [
            message for message, known in zip(batch.messages, stored, strict=True) if not known
        ]
        self.skipped += len(batch.messages) - len(fresh)
        if fresh:
            decoded = self._held(lambda: self._decode(fresh))
            frame = self.judge(decoded.frame)
            commit = self._held(
                lambda: self.history.record(frame, intake, decoded.aside, None, decoded.journal)
            )
            self.devices.acknowledge(batch)
            self._announce(commit)
        else:
            self.devices.acknowledge(batch)

    def _carry_roles(self, batch: Batch) -> None:
        """Adapters and mashups → city: the same door, columns already."""
        intake = batch.intake()
        stored = self.history.stored(intake.stream, intake.sequences, intake.received)
        frames, aside = [], []
        for message, known in zip(batch.messages, stored, strict=True):
            if known:
                continue
            try:
                frames.append(self._admit(columns.decode(message.payload), message))
            except ColumnsError as error:
                aside.append(_set_aside(message, "malformed", str(error)))
        frame = self.judge(Frame.concat(frames))
        commit = self._held(lambda: self.history.record(frame, intake, aside))
        self._announce(commit)
        if time.monotonic() - self._purged > _PURGE_EACH_S:
            self._purged = time.monotonic()
            self.roles.purge(batch)

    def _carry_volatile(self, messages: Sequence[Message]) -> None:
        """QoS 0: the same judgement, no acknowledgement and no position."""
        decoded = self._held(lambda: self._decode(messages))
        frame = self.judge(decoded.frame)
        commit = self._held(
            lambda: self.history.record(frame, None, decoded.aside, None, decoded.journal)
        )
        self._announce(commit)

    def _carry_write(self, write: _Write) -> None:
        """An app's own samples; the caller waits for the commit, or for the reason why not."""
        if not write.done.set_running_or_notify_cancel():
            return  # the caller gave up before anything was recorded
        try:
            commit = self.history.record(self.judge(write.frame), None, (), write.receipt)
        except Exception as error:  # whatever it is, the waiting caller is the one to be told
            write.done.set_exception(error)
            return
        write.done.set_result(commit)
        self._announce(commit)

    # -- private pieces

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.doorbell.clear()
                while not self._stopping.is_set() and self._round():
                    pass
                if not self._stopping.is_set():
                    self.doorbell.wait(_IDLE_S)
        except _Stopped:
            log.warning("stopped while the disk is full; the broker keeps what was not recorded")
        except BaseException as error:
            self.failed(error)
            raise

    def _round(self) -> bool:
        """Carry what waits; return False when nothing did.

        A commit costs nearly the same for ten rows as for a thousand, and the broker needs the
        processor too: while messages keep coming, batches are let grow for a moment, the longer
        the more work they make.
        """
        began = time.monotonic()
        carried = self._step()
        if 0 < carried < GATHER_MESSAGES and self._writes.empty():
            took = time.monotonic() - began
            self._stopping.wait(min(max(GATHER_S, _WORK_SHARE * took), GATHER_S_MAX) - took)
        return carried > 0

    def _step(self) -> int:
        """Carry at most one batch of each source; return how many messages that was."""
        carried = 0
        try:
            self._carry_write(self._writes.get_nowait())
            carried += 1
        except Empty:
            pass
        if batch := self.devices.take():
            self._carry(batch)
            carried += len(batch.messages)
        if batch := self.roles.take():
            self._carry_roles(batch)
            carried += len(batch.messages)
        if messages := self.volatile.take():
            self._carry_volatile(messages)
            carried += len(messages)
        return carried

    def _held(self, work: Callable[[], _T]) -> _T:
        """Do it, and wait for room while a store refuses: the batch stays with the broker."""
        interruptions = 0
        while True:
            try:
                done = work()
            except Interrupted as error:
                interruptions += 1
                if interruptions > INTERRUPTIONS_MAX:
                    raise
                log.warning("history was interrupted and is asked again: %s", error)
            except (DiskFull, RegistryError) as error:
                if not self.disk_full:
                    log.error("the uplink is held back, nothing is lost: %s", error)
                self.disk_full = True
                self._refuse_writes(DiskFull(_HELD_BACK))
                if self._stopping.wait(_DISK_FULL_WAIT_S):
                    raise _Stopped from error
            else:
                if self.disk_full:
                    log.warning("there is room again, the uplink goes on")
                self.disk_full = False
                return done

    def _refuse_writes(self, reason: Exception) -> None:
        """Tell the apps that wait: they can try again, and a broker keeps nothing for them."""
        while True:
            try:
                done = self._writes.get_nowait().done
            except Empty:
                return
            if done.set_running_or_notify_cancel():
                done.set_exception(reason)

    def _announce(self, commit: Commit) -> None:
        if len(commit.frame):
            self.publish(commit)

    def _decode(self, messages: Sequence[Message]) -> Decoded:
        """Decode a batch; a message that the decoder trips over is set aside alone."""
        try:
            return self.decode(messages)
        except Exception as error:  # a fault of ours must not stop the city: find it and go on
            if _is_outage(error):
                raise
            log.exception("the decoder failed on a batch of %d messages", len(messages))
        frames, aside = [], []
        journal: list[JournalLine] = []
        for message in messages:
            try:
                decoded = self.decode([message])
            except Exception as error:  # as above
                if _is_outage(error):
                    raise
                aside.append(_set_aside(message, "internal", f"{type(error).__name__}: {error}"))
            else:
                frames.append(decoded.frame)
                aside.extend(decoded.aside)
                journal.extend(decoded.journal)
        return _Joined(Frame.concat(frames), aside, journal)

    def _admit(self, frame: Frame, message: Message) -> Frame:
        """Take the broker's time as received, so that a redelivery does not change it."""
        if not self.known.knows(frame.point).all():
            raise ColumnsError("a point of the frame is not registered")
        return replace(frame, received=np.full(len(frame), message.received, np.int64))


@dataclass(frozen=True, slots=True)
class _Joined:
    frame: Frame
    aside: Sequence[Aside]
    journal: Sequence[JournalLine]


class _Stopped(Exception):
    """The process ends while the disk is full: the batch stays with the broker."""


def _is_outage(error: Exception) -> bool:
    """Return True when the registry is full or busy, which is no fault of the messages."""
    return isinstance(error, RegistryError) and not isinstance(error, Missing | Conflict)


def _set_aside(message: Message, reason: str, detail: str) -> Aside:
    topic = message.subject.decode(errors="replace")
    return Aside(message.received, message.sequence, topic, reason, detail, message.payload)
