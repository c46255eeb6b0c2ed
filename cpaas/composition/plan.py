"""The plan of a published version: everything that its document leaves open, looked up once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from ciaas.kernel.address import PointAddress
from ciaas.kernel.model import Constraint, ValueType
from ciaas.limits import NAME_CHARS_MAX
from ciaas.management.directory.filter import Filter
from cpaas.composition.graph import Graph, Step
from cpaas.composition.nodes.act.alarm import AlarmParams
from cpaas.composition.nodes.act.command import CommandParams
from cpaas.composition.nodes.act.virtual_point import VirtualPointParams
from cpaas.composition.nodes.contract import Act, Fault, PortKind, Stream
from cpaas.composition.nodes.shape.source import SourceParams
from cpaas.composition.wording import listed
from cpaas.limits import MASHUP_POINTS_MAX

ALL_KEY = 0
"""Index of the key that stands for all together."""
NODE = "mashup"
"""Name of the one node of a mashup's endpoint."""
_KINDS = {
    ValueType.BOOLEAN: PortKind.BOOLEAN,
    ValueType.INTEGER: PortKind.NUMBER,
    ValueType.NUMBER: PortKind.NUMBER,
    ValueType.STRING: PortKind.TEXT,
}


class Found(NamedTuple):
    """A data point as planning needs it."""

    id: int
    address: PointAddress
    constraint: Constraint
    type: ValueType
    unit: str | None
    confidential: bool = False
    """Its values lie encrypted; what mashups remember would not."""


class Surroundings(Protocol):
    """What the one who publishes may see of the city."""

    def readable(self, address: PointAddress) -> Found | None:
        """Return the point, None when there is none that may be read."""
        ...

    def matching(self, chosen: Filter, most: int) -> Sequence[Found]:
        """Return points that match and may be read, at most ``most`` + 1 of them."""
        ...

    def settable(self, address: PointAddress) -> Found | None:
        """Return the point, None when there is none that may be written."""
        ...


class PlannedSource(msgspec.Struct, frozen=True):
    """The points of a source node, and the key of each."""

    points: list[int]
    addresses: list[str]
    keys: list[int]


class PlannedStream(msgspec.Struct, frozen=True):
    """`Stream` as it is stored."""

    kind: str
    unit: str | None
    keys: list[int]


class PlannedOutput(msgspec.Struct, frozen=True):
    """The virtual points of a node, by key in the order of ``keys``."""

    object: str
    keys: list[int]
    attributes: list[str]
    type: ValueType
    constraint: Constraint
    overlay: dict[str, Any]
    points: list[int] = []
    """Their numbers, once they are registered."""


class PlannedTargets(msgspec.Struct, frozen=True):
    """What a command node sets."""

    points: list[int]
    addresses: list[str]
    types: list[ValueType]


class Plan(msgspec.Struct, frozen=True):
    """What was looked up when a version was published. It never changes."""

    keys: list[str]
    """``all``, then the address of a point or the UUID of an endpoint."""
    sources: dict[str, PlannedSource]
    streams: dict[str, PlannedStream]
    """What flows out of each node, and into one that acts."""
    outputs: dict[str, PlannedOutput]
    targets: dict[str, PlannedTargets]
    rowwise: bool
    """True when every result depends on one event alone: then nothing can come too late."""

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        built: dict[str, Any] = msgspec.to_builtins(self)
        return built

    @staticmethod
    def of(document: Mapping[str, Any]) -> Plan:
        """Return the plan of its JSON form."""
        return msgspec.convert(document, Plan)

    def stream(self, node: str) -> Stream:
        """Return what flows out of a node."""
        planned = self.streams[node]
        return Stream(PortKind(planned.kind), planned.unit, tuple(planned.keys))

    @property
    def read(self) -> list[int]:
        """Every point that is read."""
        return sorted({point for source in self.sources.values() for point in source.points})


def plan(graph: Graph, surroundings: Surroundings) -> Plan:
    """Look everything up.

    Raises:
        Fault: a point is not there or may not be used, or units or kinds do not fit.
    """
    planning = _Planning(graph, surroundings)
    for step in graph.steps:
        planning.take(step)
    planning.check_bounds()
    return Plan(
        keys=planning.keys,
        sources=planning.sources,
        streams={
            node: PlannedStream(stream.kind, stream.unit, list(stream.keys))
            for node, stream in planning.streams.items()
        },
        outputs=planning.outputs,
        targets=planning.targets,
        rowwise=all(
            step.kind.rowwise or (step.kind.name == "formula" and len(step.inputs) == 1)
            for step in graph.steps
        ),
    )


class _Planning:
    """Goes through the steps in order, so that what feeds a node is known before it."""

    def __init__(self, graph: Graph, surroundings: Surroundings):
        self._graph, self._surroundings = graph, surroundings
        self.keys = ["all"]
        self._numbers = {"all": ALL_KEY}
        self.sources: dict[str, PlannedSource] = {}
        self.streams: dict[str, Stream] = {}
        self.outputs: dict[str, PlannedOutput] = {}
        self.targets: dict[str, PlannedTargets] = {}

    def take(self, step: Step) -> None:
        """Plan one step."""
        if isinstance(step.params, SourceParams):
            self.streams[step.id] = self._source(step.id, step.params)
            return
        inputs = {port: self.streams[source] for port, source in step.inputs.items()}
        for port in step.kind.inputs(step.params):
            if inputs[port.name].kind not in port.takes:
                raise Fault(
                    f"{step.id}.{port.name} takes {listed(sorted(port.takes), 'or')}, and "
                    f"{step.inputs[port.name]} gives {inputs[port.name].kind}; put a node between",
                    step.id,
                )
        try:
            stream = step.kind.output(step.params, inputs, ALL_KEY)
        except Fault as fault:
            raise Fault(f"{step.id}: {fault}", step.id, fault.param) from None
        self.streams[step.id] = stream
        if step.kind.act in (Act.POINT, Act.ALARM):
            self._output(step, stream)
        elif isinstance(step.params, CommandParams):
            self.targets[step.id] = self._targets(step.id, step.params)

    def check_bounds(self) -> None:
        """Make sure that the mashup reads and writes no more than it may. Raises Fault."""
        read = {point for source in self.sources.values() for point in source.points}
        written = sum(len(output.keys) for output in self.outputs.values())
        for count, what in ((len(read), "read"), (written, "written")):
            if count > MASHUP_POINTS_MAX:
                raise Fault(
                    f"{count} points would be {what}, at most {MASHUP_POINTS_MAX} may be; narrow "
                    "the filters, or bring points together in a window over all"
                )

    def _source(self, node: str, params: SourceParams) -> Stream:
        found = {point.id: point for point in map(self._named(node), params.points)}
        if params.filter is not None:
            matching = self._surroundings.matching(params.filter, MASHUP_POINTS_MAX)
            found |= {point.id: point for point in matching}
        if not found:
            raise Fault(f"{node}: the filter finds no point that you may read; widen it", node)
        if len(found) > MASHUP_POINTS_MAX:
            raise Fault(
                f"{node}: the filter finds more than {MASHUP_POINTS_MAX} points; narrow it", node
            )
        points = sorted(found.values(), key=lambda point: point.address)
        if closed := next((point for point in points if point.confidential), None):
            raise Fault(
                f"{node}: {closed.address} is confidential, and a mashup would keep what it reads "
                "in clear; leave it out",
                node,
            )
        keys = [self._key(_label(point.address, params.per)) for point in points]
        if len(set(keys)) < len(keys):
            raise Fault(
                f"{node}: an endpoint has several of these points; narrow the filter to one of "
                "each, or read per point",
                node,
                "per",
            )
        self.sources[node] = PlannedSource(
            [point.id for point in points], [point.address for point in points], keys
        )
        return Stream(_one_kind(node, points), _one_unit(node, points), tuple(sorted(keys)))

    def _named(self, node: str) -> _Look:
        def look(address: str) -> Found:
            point = self._surroundings.readable(PointAddress(address))
            if point is None:
                raise Fault(
                    f"{node}: there is no point {address} that you may read", node, "points"
                )
            return point

        return look

    def _key(self, label: str) -> int:
        if label not in self._numbers:
            self._numbers[label] = len(self.keys)
            self.keys.append(label)
        return self._numbers[label]

    def _output(self, step: Step, stream: Stream) -> None:
        name = step.params.name if isinstance(step.params, VirtualPointParams) else step.id
        if any(output.object == name for output in self.outputs.values()):
            raise Fault(f"two nodes record as {name}; give one another name", step.id, "name")
        boolean = stream.kind is PortKind.BOOLEAN
        self.outputs[step.id] = PlannedOutput(
            object=name,
            keys=list(stream.keys),
            attributes=_attributes([self.keys[key] for key in stream.keys]),
            type=ValueType.BOOLEAN if boolean else ValueType.NUMBER,
            constraint=Constraint.STATUS if boolean else Constraint.MEASURE,
            overlay=_overlay(step, stream),
        )

    def _targets(self, node: str, params: CommandParams) -> PlannedTargets:
        points = []
        for address in params.targets:
            point = self._surroundings.settable(PointAddress(address))
            if point is None:
                raise Fault(
                    f"{node}: there is no point {address} that you may write", node, "targets"
                )
            if point.constraint not in (Constraint.SET_POINT, Constraint.PARAMETER):
                raise Fault(
                    f"{node}: {address} is a {point.constraint}, which takes no command; name a "
                    "SetPoint or a Parameter",
                    node,
                    "targets",
                )
            if point.type is ValueType.STRING:
                raise Fault(f"{node}: {address} takes text, and mashups compute numbers", node)
            points.append(point)
        return PlannedTargets(
            [p.id for p in points], [p.address for p in points], [p.type for p in points]
        )


class _Look(Protocol):
    def __call__(self, address: str) -> Found: ...


def _label(address: str, per: str) -> str:
    return address if per == "point" else address.partition("/")[0]


def _one_kind(node: str, points: Sequence[Found]) -> PortKind:
    kinds = {_KINDS[point.type] for point in points}
    if len(kinds) > 1:
        raise Fault(
            f"{node}: these points give {listed(sorted(kinds))}; read each kind by a source of its "
            "own",
            node,
        )
    return kinds.pop()


def _one_unit(node: str, points: Sequence[Found]) -> str | None:
    units = {point.unit for point in points}
    if len(units) > 1:
        spoken = listed(sorted(unit or "no unit" for unit in units))
        raise Fault(
            f"{node}: these points are in {spoken}; choose those of one unit with the filter's "
            "key unit, or correct their metadata",
            node,
        )
    return units.pop()


def _attributes(labels: Sequence[str]) -> list[str]:
    if len(labels) == 1:
        return ["value"]
    return [_attribute(label) for label in labels]


def _attribute(label: str) -> str:
    """Return a key as one level of an address; a long one ends in a digest."""
    name = label.replace("/", ".")
    if len(name) <= NAME_CHARS_MAX:
        return name
    digest = hashlib.sha256(label.encode()).hexdigest()[:16]
    return f"{name[: NAME_CHARS_MAX - 17]}~{digest}"


def _overlay(step: Step, stream: Stream) -> dict[str, Any]:
    """Return what is said of a node's points beyond the wire."""
    match step.params:
        case AlarmParams(text=text, severity=severity):
            return {
                "title": text,
                "alarm": {"severity": severity, "text": text, "raised_when": True},
            }
        case VirtualPointParams(title=title, unit=unit):
            overlay = {"title": title or step.title or None, "unit": unit or stream.unit}
            if unit is not None and stream.unit is not None and unit != stream.unit:
                overlay["source_unit"] = stream.unit
            return {key: value for key, value in overlay.items() if value is not None}
    raise AssertionError(f"{step.id} records nothing")
