"""Confidential points of a running platform: whose their values are, and how those are erased."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from borough.home import Home
from ciaas.interoperability.confidential import ConfidentialValues
from ciaas.interoperability.overlay import CONFIDENTIAL
from ciaas.kernel.address import EndpointId
from ciaas.kernel.catalogue import Catalogue
from ciaas.ports import Clock, Conflict, DiskFull, Feed, Missing, Point
from ciaas.storage.history import DuckHistory
from ciaas.storage.registry import Registry
from cpaas.access.keys import DataSubjectEntry
from security.encryption.envelope import SealingError
from security.encryption.keyring import KeyRing
from security.encryption.private_file import PrivateFileError
from security.encryption.subjects import PURPOSE, SubjectErased, SubjectKeys

log = logging.getLogger(__name__)

_REFUSAL = "the data of this point's data subject were erased, or its key is not in this home"


class CityConfidential:
    """Covers history, and knows the data subjects: `cpaas.access.keys.Subjects`."""

    def __init__(
        self,
        home: Home,
        keys: KeyRing,
        registry: Registry,
        catalogue: Catalogue,
        history: DuckHistory,
        clock: Clock,
    ) -> None:
        """Cover the history; what was erased elsewhere is erased here before anything is read.

        Args:
            home: Where the keys of data subjects lie.
            keys: What they are sealed under.
            registry: Keeps who is a data subject.
            catalogue: Knows which points are whose.
            history: Nothing may have read from it yet.
            clock: Of this machine.
        """
        self.keys = SubjectKeys(home.subjects, keys.envelope(PURPOSE))
        self._registry, self._catalogue, self._clock = registry, catalogue, clock
        self._changing = threading.Lock()
        self._forget: Callable[[], None] = lambda: None
        self.values = ConfidentialValues(self._key)
        self._known = {(s.project, s.name): s for s in registry.subjects.all()}
        self._apply_erasures()
        if self._known:
            self.values.use()
        history.cover(self.values)
        catalogue.on_points(self._learn)

    def on_erasure(self, forget: Callable[[], None]) -> None:
        """Have something dropped that keeps values in memory, at each erasure."""
        self._forget = forget

    # -- `cpaas.access.keys.Subjects`

    def declare(self, project: int, name: str) -> None:
        """Make sure that a data subject has a key, before an overlay names it.

        Raises:
            Conflict: its data were erased, its key is not in this home, or there are too many data
                subjects.
            DiskFull: its key cannot be written.
        """
        with self._changing:
            known = (project, name) in self._known
            subject = self._registry.subjects.ensure(project, name, self._clock.now_ms())
            erased = Conflict(f"the data of {name!r} were erased: nothing is kept of it any more")
            if subject.erased_at is not None:
                raise erased
            if known and self._key(subject.id) is None:
                raise Conflict(
                    f"the key of the data subject {name!r} is not in this home: bring the copy of"
                    " the folder subjects/ back, or erase it and take another id"
                )
            try:
                self.keys.make(subject.id)
            except SubjectErased:
                raise erased from None
            except PrivateFileError as error:
                raise DiskFull(str(error)) from error
            self.values.use()
            self._known = {**self._known, (project, name): subject}

    def listed(self, projects: Sequence[int]) -> Sequence[DataSubjectEntry]:
        """Return the data subjects of some projects, by project and name."""
        return [
            DataSubjectEntry(s.project, s.name, s.created_at, s.erased_at)
            for s in self._registry.subjects.all()
            if s.project in projects
        ]

    def erase(self, project: int, name: str) -> None:
        """Destroy a data subject's key: its values are gone, and none are taken any more.

        Raises:
            Missing: there is no such data subject.
            DiskFull: the erasure cannot be written; nothing was changed.
        """
        with self._changing:
            subject = self._known.get((project, name))
            if subject is None:
                raise Missing(f"there is no data subject {name!r}")
            try:
                self.keys.erase(subject.id)
            except OSError as error:
                raise DiskFull(f"the erasure of {name!r} cannot be written: {error}") from error
            self._registry.subjects.erase(subject.id, self._clock.now_ms())
            self._read()
        self._forget()

    def refusal(self, point: int) -> str | None:
        """Return why no sample of a point is taken, None when they are."""
        subject = self.values.subject(point)
        return None if subject is None or self._key(subject) is not None else _REFUSAL

    def refusal_at(self, project: int, levels: Sequence[str]) -> str | None:
        """Return why no sample is taken at an address without a point yet, None when they are."""
        if not self._known:
            return None
        name = None
        for depth in range(len(levels)):
            said = self._registry.resources.overlay("/".join(levels[: depth + 1]))
            name = said.get(CONFIDENTIAL, name)
        subject = self._known.get((project, name)) if name is not None else None
        return None if subject is None or self._key(subject.id) is not None else _REFUSAL

    # -- private pieces

    def _key(self, id_: str) -> bytes | None:
        try:
            return self.keys.key(id_)
        except (SealingError, PrivateFileError) as error:
            log.error("the key of data subject %s does not open: %s", id_, error)
            return None

    def _read(self) -> None:
        self._known = {(s.project, s.name): s for s in self._registry.subjects.all()}

    def _apply_erasures(self) -> None:
        """Make both lists of erasures one: a restore may have brought an older one of either."""
        noted = {s.id for s in self._known.values() if s.erased_at is not None}
        listed = self.keys.erased()
        for id_ in noted | listed:
            self.keys.erase(id_)  # of one that is listed already a crash may have left the key
        for id_ in listed - noted:
            self._registry.subjects.erase(id_, self._clock.now_ms())
        self._read()

    def _learn(self, points: Sequence[Point]) -> None:
        if not self._known:
            return  # each start looks at all points of the city
        self.values.declare({point.id: self._subject_of(point) for point in points})

    def _subject_of(self, point: Point) -> str | None:
        name = self._catalogue.overlay(point.id).get(CONFIDENTIAL)
        if name is None:
            return None
        uuid = EndpointId(point.address.partition("/")[0])
        endpoint = self._catalogue.endpoint(uuid) or self._catalogue.deleted(uuid)
        if endpoint is None or endpoint.feed is not Feed.APP:
            return None
        subject = self._known.get((endpoint.project, name))
        return None if subject is None else subject.id
