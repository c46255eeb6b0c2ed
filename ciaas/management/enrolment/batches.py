"""Batches: sheets enrolled in the background, step by step, going on where a kill left them."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import logging
import secrets
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ciaas.kernel.address import EndpointId
from ciaas.limits import ENROLMENT_STEP_ROWS, PROVISION_TOKEN_LIFE_MS
from ciaas.management.enrolment.ports import (
    Batch,
    EnrolmentStore,
    Pending,
    Profile,
    Progress,
    Row,
)
from ciaas.management.enrolment.profile import EnrolmentError, read_template
from ciaas.management.enrolment.sheet import Sheet, read_sheet
from ciaas.ports import Clock, Conflict, Missing, RegistryError
from security.encryption.envelope import Envelope, SealingError

log = logging.getLogger(__name__)

PURPOSE = "enrolments"
_SEED_BYTES = 32
_AGAIN_S = 2.0
"""Before a step is tried again that the registry had no turn or no disk for."""


@dataclass(frozen=True, slots=True)
class Handed:
    """One device of the result, with the token that fetches its bundle once."""

    line: int
    serial: str
    name: str
    endpoint: str
    token: str


class Batches:
    """Makes batches and works them off in a thread of its own. Any thread may call.

    A token is derived from a secret of its batch and the endpoint: what a kill interrupts is
    derived again, the same. The secret lies sealed until the result is handed out, then nowhere.
    Of tokens the registry keeps digests alone.
    """

    def __init__(
        self,
        store: EnrolmentStore,
        seal: Envelope,
        clock: Clock,
        note: Callable[[Mapping[str, Any]], None],
    ) -> None:
        """Build without beginning.

        Args:
            store: Keeps everything.
            seal: Of `PURPOSE`.
            clock: Of this machine.
            note: Appends to the record.
        """
        self.store = store
        self._seal, self._clock, self._note = seal, clock, note
        self._bell = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="enrolment")

    # -- what the API asks

    def preview(self, profile: Profile, text: bytes) -> Sheet:
        """Read a sheet without enrolling anything; raises EnrolmentError."""
        template = read_template(profile.document)
        return read_sheet(
            text, template, lambda serials: self.store.bound(profile.project, serials)
        )

    def begin(self, profile: Profile, user: int, rows: Sequence[Row]) -> Batch:
        """Keep a batch, which is then worked off.

        Raises:
            Conflict: a serial number is taken, or a bound or quota is reached.
        """
        number = str(uuid.uuid4())
        batch = Batch(
            id=number,
            project=profile.project,
            user=user,
            profile=profile.name,
            revision=profile.revision,
            document=profile.document,
            rows=len(rows),
            created_at=self._clock.now_ms(),
            sealed=self._seal.seal(secrets.token_bytes(_SEED_BYTES), number),
        )
        self.store.add(batch, rows)
        self._bell.set()
        return batch

    def resume(self, batch: Batch) -> None:
        """Go on with a batch that halted; raises Conflict for one that did not."""
        if batch.progress is not Progress.HALTED:
            raise Conflict(f"the batch is {batch.progress}; only one that halted is resumed")
        self.store.end(batch.id, Progress.RUNNING, "", None)
        self._bell.set()

    def hand_out(self, batch: Batch) -> Sequence[Handed]:
        """Return the devices with their tokens: once, after that nobody can know them.

        Raises:
            Conflict: the batch is not done, or its tokens were handed out.
        """
        if batch.progress is not Progress.DONE:
            raise Conflict(
                f"{batch.done:,} of {batch.rows:,} devices are enrolled; the result is ready when "
                "all are"
            )
        gone = (
            "the tokens were handed out already; ask for one of a single device with "
            "POST /endpoints/{uuid}/provisionToken"
        )
        if batch.sealed is None:
            raise Conflict(gone)
        seed = self._seal.open(batch.sealed, batch.id)
        handed = [
            Handed(row.line, row.serial, row.friendly_name, row.endpoint, _token(seed, row))
            for row in self.store.rows(batch.id)
        ]
        if not self.store.take_seal(batch.id):
            raise Conflict(gone)
        return handed

    def replace(
        self, endpoint: EndpointId, serial: str, properties: Mapping[str, str]
    ) -> tuple[str, int]:
        """Put another device behind an endpoint; the one before is denied in the same moment.

        Args:
            endpoint: That stays.
            serial: Of the new device.
            properties: Lines of its bundle, as `check_properties` gives them.

        Returns:
            The token of the new one, and how many certificates were in force.

        Raises:
            Missing: the endpoint is unknown or deleted.
            Conflict: another endpoint of the project has a device of this serial number, or the
                properties are too large.
        """
        token, now_ms = secrets.token_hex(_SEED_BYTES), self._clock.now_ms()
        pending = Pending(_digest(token), now_ms + PROVISION_TOKEN_LIFE_MS)
        return token, self.store.replace(endpoint, serial, pending, properties, now_ms)

    # -- working off

    def start(self) -> None:
        """Go on with what an earlier process left."""
        self._bell.set()
        self._thread.start()

    def stop(self) -> None:
        """End after the step under way."""
        self._stopping.set()
        self._bell.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _work(self) -> None:
        while not self._stopping.is_set():
            self._bell.wait()
            self._bell.clear()
            try:
                while not self._stopping.is_set() and (batch := self.store.next_running()):
                    self._step(batch)
            except (RegistryError, OSError) as error:
                log.warning("enrolment waits: %s", error)
                if not self._stopping.wait(_AGAIN_S):
                    self._bell.set()

    def _step(self, batch: Batch) -> None:
        """Enrol some devices of a batch; a step that cannot succeed halts it."""
        now_ms = self._clock.now_ms()
        try:
            rows = self.store.left(batch.id, ENROLMENT_STEP_ROWS)
            if not rows:
                self.store.end(batch.id, Progress.DONE, "", now_ms)
                self._tell(batch, Progress.DONE)
                return
            template = read_template(batch.document)
            assert batch.sealed is not None, "handed out only when it is done"
            seed = self._seal.open(batch.sealed, batch.id)
            ends = now_ms + template.token_life_ms
            tokens = [Pending(_digest(_token(seed, row)), ends) for row in rows]
            self.store.enrol(batch, template, rows, tokens, now_ms)
        except (Conflict, Missing, EnrolmentError, SealingError) as error:
            log.warning("enrolment %s halted: %s", batch.id, error)
            self.store.end(batch.id, Progress.HALTED, str(error), None)
            self._tell(batch, Progress.HALTED)

    def _tell(self, batch: Batch, progress: Progress) -> None:
        self._note(
            {
                "kind": "enrolment",
                "act": "administration",
                "projects": [batch.project],
                "about": {
                    "batch": batch.id,
                    "user": batch.user,
                    "devices": batch.done,
                    "outcome": progress.value,
                },
            }
        )


def as_csv(handed: Sequence[Handed]) -> bytes:
    """Return a result as CSV with a header."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(Handed.__slots__)
    for one in handed:
        writer.writerow([one.line, one.serial, one.name, one.endpoint, one.token])
    return buffer.getvalue().encode()


def as_json(handed: Sequence[Handed]) -> bytes:
    """Return a result as a JSON list."""
    return msgspec.json.encode(handed)


def _token(seed: bytes, row: Row) -> str:
    """Return the token of a row: of 256 bits, as those that are drawn one by one."""
    return hmac.digest(seed, row.endpoint.encode(), "sha256").hex()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
