"""Devices behind the API's tests: what was sent to them, and what they answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.downlink.command import Rung
from ciaas.kernel.downlink.downlink import Downlink
from ciaas.kernel.downlink.ports import Answer, Parcel
from ciaas.kernel.downlink.safeguards import Safeguards
from ciaas.ports import Clock, Endpoint, Feed, HistoryStore
from ciaas.storage.registry import Registry
from security.aaa.levels import Level
from security.aaa.rights import Rights
from security.ports import Record


@dataclass
class Hands:
    """A way to adapters' devices that does as the test says."""

    parcels: list[Parcel] = field(default_factory=list)
    answer: Answer | None = field(default_factory=lambda: Answer(Rung.VERIFIED, "field", "read"))
    """None: it says nothing."""
    there: bool = True
    stamped: bool = False

    def ready(self, endpoint: Endpoint) -> bool:
        return self.there

    def send(self, parcel: Parcel, answered: Callable[[Answer], None]) -> None:
        self.parcels.append(parcel)
        if self.answer is not None:
            answered(self.answer)


def downlink_of(
    registry: Registry,
    catalogue: Catalogue,
    history: HistoryStore,
    rights: Rights,
    record: Record,
    clock: Clock,
    hands: Hands,
    failures: list[BaseException],
) -> Downlink:
    def may(user: int, path: object) -> bool:
        assert isinstance(path, tuple)
        return rights.level(user, path) >= Level.WRITE

    return Downlink(
        store=registry.commands,
        catalogue=catalogue,
        history=history,
        safeguards=Safeguards(catalogue, history, may),
        record=record,
        clock=clock,
        couriers={Feed.ADAPTER: hands},
        failed=failures.append,
    )
