"""A lamp behind a downlink: a real registry and history, a courier that does as the test says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.downlink.command import Command, Rung
from ciaas.kernel.downlink.downlink import Downlink
from ciaas.kernel.downlink.order import Order
from ciaas.kernel.downlink.ports import Answer, Parcel
from ciaas.kernel.downlink.safeguards import Safeguards
from ciaas.kernel.model import (
    Attribute,
    Constraint,
    EndpointModel,
    Node,
    Thing,
    Value,
    ValueType,
)
from ciaas.kernel.sample import Frame, Kind, Verdict
from ciaas.ports import Endpoint, Feed
from ciaas.storage.history import DuckHistory
from ciaas.storage.registry import Registry

LAMP = EndpointId("4b825dc6-42cb-4a1d-9c0e-6b1f6e0a3b01")
PATIENCE_S = 20.0


class Moving:
    """The machine's clock, which a test may put forward."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms


class Lines:
    """A record that fails when it is told to."""

    def __init__(self) -> None:
        self.entries: list[Mapping[str, Any]] = []
        self.full = False

    def append(self, entry: Mapping[str, Any]) -> None:
        self.append_all([entry])

    def append_all(self, entries: Sequence[Mapping[str, Any]]) -> None:
        if self.full:
            raise OSError("no space left on device")
        self.entries += entries

    def rungs(self, command: Command) -> list[str]:
        return [line["what"] for line in self.entries if line["command"] == command.id]


@dataclass
class Postman:
    """A courier; what it was given can be waited for."""

    stamped: bool = False
    there: bool = True
    answer: Answer | None = None
    parcels: list[Parcel] = field(default_factory=list)
    told: list[Callable[[Answer], None]] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)

    def ready(self, endpoint: Endpoint) -> bool:
        return self.there

    def send(self, parcel: Parcel, answered: Callable[[Answer], None]) -> None:
        with self.came:
            self.parcels.append(parcel)
            self.told.append(answered)
            self.came.notify_all()
        if self.answer is not None:
            answered(self.answer)

    def wait(self, count: int = 1) -> Parcel:
        with self.came:
            assert self.came.wait_for(lambda: len(self.parcels) >= count, PATIENCE_S)
        return self.parcels[-1]


class Town:
    """One lamp, two users, and the downlink over them; restarted as often as a test likes."""

    def __init__(self, registry: Registry, history: DuckHistory, *, stamped: bool = False) -> None:
        self.registry, self.history = registry, history
        self.clock, self.record = Moving(), Lines()
        self.postman = Postman(stamped=stamped)
        self.writers: set[int] = set()
        self.failures: list[BaseException] = []
        self.project = registry.resources.create_project("quarter").id
        self.feed = Feed.DEVICE if stamped else Feed.ADAPTER
        registry.resources.create_endpoint(self.project, "lamp", {}, LAMP)
        registry.resources.change_endpoint(LAMP, feed=self.feed)
        light = {
            "level": Attribute(Constraint.SET_POINT, ValueType.NUMBER),
            "fade": Attribute(Constraint.PARAMETER, ValueType.INTEGER),
            "door": Attribute(Constraint.STATUS, ValueType.BOOLEAN),
        }
        registry.resources.declare_model(
            LAMP, EndpointModel(nodes={"L": Node(objects={"l": Thing(attributes=light)})})
        )
        self.user = registry.accounts.add_user("ada", None, admin=False).id
        self.writers.add(self.user)
        self.catalogue = Catalogue(registry.resources)
        self.downlink = self._build()
        self.downlink.start()

    def _build(self) -> Downlink:
        return Downlink(
            store=self.registry.commands,
            catalogue=self.catalogue,
            history=self.history,
            safeguards=Safeguards(
                self.catalogue, self.history, lambda user, path: user in self.writers
            ),
            record=self.record,
            clock=self.clock,
            couriers={self.feed: self.postman},
            failed=self.failures.append,
        )

    def address(self, name: str = "level") -> PointAddress:
        return PointAddress(f"{LAMP}/L/l/{name}")

    def overlay(self, name: str = "level", **keys: Any) -> None:
        self.registry.resources.change_overlay(self.address(name), keys)
        self.catalogue.refresh()

    def order(self, value: Value = 40, name: str = "level", **more: Any) -> Command:
        return self.downlink.request(Order(self.address(name), self.user, "ada", value, **more))

    def end(self, command: Command) -> Command:
        """Return the command once it has ended."""
        return self.downlink.outcome(command).result(PATIENCE_S)

    def reaches(self, command: Command, rung: Rung) -> Command:
        """Return the command once its last rung is this one."""
        deadline = time.monotonic() + PATIENCE_S
        while (found := self.downlink.command(command.id)).state is not rung:
            assert time.monotonic() < deadline, f"it stays {found.state}"
            threading.Event().wait(0.005)
        return found

    def restart(self) -> None:
        """End core's downlink and begin anew with what is on disk."""
        self.downlink.stop()
        self.downlink = self._build()
        self.downlink.start()

    def report(
        self,
        value: Value,
        at: int | None = None,
        name: str = "level",
        verdict: Verdict = Verdict.GOOD,
        *,
        seen: bool = True,
    ) -> None:
        """Record a sample of a point; ``seen`` False: while core was away."""
        point = self.catalogue.by_address(self.address(name))
        assert point is not None
        now = self.clock.now_ms() + 1
        kind = Kind.BOOLEAN if isinstance(value, bool) else Kind.NUMBER
        frame = Frame(
            point=np.array([point.id], np.uint32),
            observed=np.array([now if at is None else at], np.int64),
            received=np.array([now], np.int64),
            kind=np.array([kind], np.uint8),
            num=np.array([value], np.float64),
            txt=np.array([None], np.object_),
            verdict=np.array([verdict], np.uint8),
            reason=np.zeros(1, np.uint16),
            raw=np.array([None], np.object_),
            source=np.zeros(1, np.uint32),
            revision=np.zeros(1, np.uint16),
        )
        commit = self.history.record(frame)
        if seen:
            self.downlink.observe(commit)
