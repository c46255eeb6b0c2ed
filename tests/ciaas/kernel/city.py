"""Two endpoints, the decoder that hears them, and short ways to read what it made of it."""

from __future__ import annotations

import itertools

from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.decode import Decoded, Decoder
from ciaas.kernel.sample import Kind, Reason, Verdict
from ciaas.kernel.wire import read_document, read_model, subject_of
from ciaas.ports import Message, Point
from ciaas.storage.registry import Registry

DEVICE = EndpointId("4b825dc6-42cb-4a1d-9c0e-6b1f6e0a3b01")
OTHER = EndpointId("9e107d9d-372b-4c81-a1d5-3e0f5f0a3b02")
STRANGER = EndpointId("77e1a2f0-0000-4000-8000-00000000dead")
NOW = 1_795_300_000_000
"""The broker's clock, milliseconds since 1970 UTC."""
MODEL = b"""{"version":"v0.2","messageFormatVersion":2,"supportedFormats":["JSON","CBOR"],"nodes":
{"Lamp12":{"implements":["Luminaire"],"objects":{"light":{"conforms":"Dimmer","objects":{},
"attributes":{"level":{"type":"Number","constraint":"SetPoint"},
"power":{"type":"Number","constraint":"Measure"},"on":{"type":"Boolean","constraint":"Status"},
"starts":{"type":"Integer","constraint":"Status"},"state":{"type":"String","constraint":"Status"},
"serial":{"type":"String","constraint":"Static"}}}}}}}"""


class Appearances:
    """Records what presence is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, int]] = []

    def online(self, uuid: EndpointId, at_ms: int) -> None:
        self.seen.append(("online", uuid, at_ms))

    def offline(self, uuid: EndpointId, at_ms: int) -> None:
        self.seen.append(("offline", uuid, at_ms))


def settle(registry: Registry) -> None:
    """Register two endpoints, the first with the lamp's model."""
    project = registry.resources.create_project("quarter").id
    registry.resources.create_endpoint(project, "lamp", {}, DEVICE)
    registry.resources.create_endpoint(project, "other", {}, OTHER)
    model, _ = read_model(read_document(MODEL).tree)
    registry.resources.declare_model(DEVICE, model)


class City:
    """A settled registry and the decoder that hears its devices."""

    device, other, stranger, now = DEVICE, OTHER, STRANGER, NOW

    def __init__(self, registry: Registry) -> None:
        self.registry = registry.resources
        (self.project,) = [project.id for project in self.registry.projects()]
        self.catalogue = Catalogue(self.registry)
        self.presence = Appearances()
        self.decoder = Decoder(self.catalogue, self.presence)
        self._sequences = itertools.count(1)

    def message(self, topic: str, payload: bytes | str, received: int = NOW) -> Message:
        content = payload.encode() if isinstance(payload, str) else payload
        return Message(subject_of(topic), content, next(self._sequences), received, b"")

    def hear(self, *sent: tuple[str, bytes | str]) -> Decoded:
        """Decode one batch of topics and payloads."""
        return self.decoder.decode([self.message(topic, payload) for topic, payload in sent])

    def point(self, below: str, endpoint: EndpointId = DEVICE) -> Point | None:
        """Return a point of the device by its address below the endpoint."""
        return self.catalogue.by_address(PointAddress(f"{endpoint}/{below}"))

    def rows(self, decoded: Decoded) -> list[tuple[str, int, float | str | None]]:
        """Return address below the endpoint, time, and value of each row, None for no value."""
        frame = decoded.frame
        return [
            (self.name(int(point)), int(at), _value(Kind(kind), float(num), txt))
            for point, at, kind, num, txt in zip(
                frame.point, frame.observed, frame.kind, frame.num, frame.txt, strict=True
            )
        ]

    def name(self, point: int) -> str:
        return self.catalogue.point(point).address.partition("/")[2]


def _value(kind: Kind, num: float, txt: str | None) -> float | str | None:
    if kind is Kind.NULL:
        return None
    return txt if kind is Kind.TEXT else num


def judged(decoded: Decoded) -> list[tuple[Kind, Verdict, Reason, str | None]]:
    """Return kind, verdict, reason and raw text of each row."""
    frame = decoded.frame
    return [
        (Kind(kind), Verdict(verdict), Reason(reason), raw)
        for kind, verdict, reason, raw in zip(
            frame.kind, frame.verdict, frame.reason, frame.raw, strict=True
        )
    ]


def reasons(decoded: Decoded) -> list[str]:
    """Return why things were set aside, in order."""
    return [aside.reason for aside in decoded.aside]
