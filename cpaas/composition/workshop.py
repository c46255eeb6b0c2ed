"""Where mashups are made: drafts checked, published under an identity of their own, rehearsed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ciaas.interoperability.overlay import CONFIDENTIAL, check_overlay
from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.model import Attribute, EndpointModel, Node, Thing
from ciaas.kernel.sample import Uint32s
from ciaas.management.directory.filter import Filter
from ciaas.management.mashup import Mashup, MashupStore, MashupVersion
from ciaas.ports import Feed, HistoryStore, Missing, Point, RegistryStore
from cpaas.composition.document import Document, parse_document
from cpaas.composition.graph import Graph, check_graph
from cpaas.composition.nodes.act.webhook import WebhookParams
from cpaas.composition.nodes.contract import Fault
from cpaas.composition.plan import NODE, Found, Plan, PlannedOutput, plan
from cpaas.composition.running.rehearsal import Rehearsal, rehearse
from security.aaa.levels import Level
from security.aaa.rights import Rights

_OURS = ("title", "unit", "source_unit", "alarm")
"""Keys of an overlay that a version says anew."""


def source_of(uuid: str) -> str:
    """Return the source name of a mashup's samples."""
    return f"mashup:{uuid}"


@dataclass(frozen=True, slots=True)
class Workshop:
    """The one who changes mashups; methods may be called from any thread and take a while."""

    store: MashupStore
    registry: RegistryStore
    catalogue: Catalogue
    history: HistoryStore
    rights: Rights
    matching: Callable[[Filter, int], Uint32s]
    """Returns the points that match and that a user may read."""
    report: Callable[[], Mapping[str, Mapping[str, Any]]]
    """Returns what the compose role last said of each mashup it runs."""
    reaches: Callable[[str], None]
    """Raises ValueError for a URL that no webhook may go to."""

    def check(self, document: Mapping[str, Any], user: int) -> tuple[Graph, Plan]:
        """Return the graph and the plan of a document as a user would publish it.

        Raises:
            Fault: it cannot be published; the sentence says what to do.
        """
        graph = check_graph(parse_document(document))
        for step in graph.steps:
            if isinstance(step.params, WebhookParams):
                try:
                    self.reaches(step.params.url)
                except ValueError as error:
                    raise Fault(f"{step.id}: {error}", step.id, "url") from None
        return graph, plan(graph, _Eyes(self, user))

    def publish(self, mashup: Mashup, user: int, note: str) -> MashupVersion:
        """Make the draft the version that runs.

        Its virtual points are registered first. After a crash in between, publishing again
        completes the work.

        Raises:
            Fault: the draft cannot be published.
            Conflict: a bound is reached.
        """
        graph, planned = self.check(mashup.draft, user)
        self._refuse_circle(mashup, planned)
        document = graph.document
        planned = self._register(mashup, document, planned)
        rights = {self._path(address): Level.READ for address in _read(planned)}
        for targets in planned.targets.values():
            rights |= {self._path(address): Level.WRITE for address in targets.addresses}
        return self.store.publish(
            mashup.uuid, document.document(), planned.document(), user, note, rights
        )

    def rehearse(
        self, document: Mapping[str, Any], user: int, start: int, end: int
    ) -> tuple[Graph, Plan, Rehearsal]:
        """Run a document over the past as a user may see it; nothing is written or sent.

        Raises:
            Fault: the document or the interval is not right.
            Busy: too many are under way.
        """
        graph, planned = self.check(document, user)
        return graph, planned, rehearse(graph, planned, self.history, start, end)

    def may(self, user: int, address: str, need: Level) -> bool:
        """Tell whether a user holds a level on a point."""
        endpoint = self.catalogue.endpoint(EndpointId(address.partition("/")[0]))
        if endpoint is None:
            return False
        return self.rights.level(user, (str(endpoint.project), *address.split("/"))) >= need

    def _refuse_circle(self, mashup: Mashup, planned: Plan) -> None:
        """Results that feed themselves, over however many mashups, would never come to an end."""
        import networkx as nx  # when first needed: core's start does not wait for it

        feeds: nx.DiGraph[str] = nx.DiGraph()
        for uuid, wish in self.store.in_force().items():
            if uuid != mashup.uuid:
                read = _read(Plan.of(self.store.version(uuid, wish.number).plan))
                feeds.add_edges_from((address.partition("/")[0], uuid) for address in read)
        feeds.add_edges_from((a.partition("/")[0], mashup.uuid) for a in _read(planned))
        feeds.add_node(mashup.uuid)
        reached = {mashup.uuid, *nx.descendants(feeds, mashup.uuid)}
        if any(feeds.has_edge(found, mashup.uuid) for found in reached):
            raise Fault(
                "the mashup would read its own results, by itself or over another mashup; take "
                "the points of a mashup that follows it out of its sources"
            )

    def _path(self, address: str) -> tuple[str, ...]:
        endpoint = self.catalogue.endpoint(EndpointId(address.partition("/")[0]))
        if endpoint is None:
            raise Missing(f"the endpoint of {address} was deleted just now: publish again")
        return (str(endpoint.project), *address.split("/"))

    def _register(self, mashup: Mashup, document: Document, planned: Plan) -> Plan:
        """Return the plan with the numbers of its virtual points, which are registered now."""
        registry, uuid = self.registry, mashup.uuid
        try:
            endpoint = registry.endpoint(uuid)
        except Missing:
            endpoint = registry.create_endpoint(mashup.project, document.name, {}, uuid=uuid)
        if endpoint.feed is not Feed.MASHUP or endpoint.friendly_name != document.name:
            registry.change_endpoint(uuid, friendly_name=document.name, feed=Feed.MASHUP)
        registry.declare_model(uuid, _model(planned.outputs.values()))
        for output in planned.outputs.values():
            said = dict.fromkeys(_OURS) | output.overlay
            registry.change_overlay(f"{uuid}/{NODE}/{output.object}", said, check_overlay)
        registry.source(source_of(uuid))  # the role that runs it only reads
        numbers = {point.address: point.id for point in registry.points((uuid,))}
        outputs = {
            node: msgspec.structs.replace(
                output,
                points=[
                    numbers[PointAddress(f"{uuid}/{NODE}/{output.object}/{attribute}")]
                    for attribute in output.attributes
                ],
            )
            for node, output in planned.outputs.items()
        }
        return msgspec.structs.replace(planned, outputs=outputs)


def _read(planned: Plan) -> list[str]:
    return sorted({a for source in planned.sources.values() for a in source.addresses})


def _model(outputs: Sequence[PlannedOutput] | Any) -> EndpointModel:
    things = {
        output.object: Thing(
            attributes={
                attribute: Attribute(output.constraint, output.type)
                for attribute in output.attributes
            }
        )
        for output in outputs
    }
    return EndpointModel(nodes={NODE: Node(objects=things)})


@dataclass(frozen=True, slots=True)
class _Eyes:
    """The city as one user sees it."""

    workshop: Workshop
    user: int

    def readable(self, address: PointAddress) -> Found | None:
        return self._found(address, Level.READ)

    def settable(self, address: PointAddress) -> Found | None:
        return self._found(address, Level.WRITE)

    def matching(self, chosen: Filter, most: int) -> Sequence[Found]:
        catalogue = self.workshop.catalogue
        numbers = self.workshop.matching(chosen, self.user)[: most + 1]
        return [self._described(catalogue.point(number)) for number in numbers.tolist()]

    def _found(self, address: PointAddress, need: Level) -> Found | None:
        point = self.workshop.catalogue.by_address(address)
        if point is None or not self.workshop.may(self.user, address, need):
            return None
        return self._described(point)

    def _described(self, point: Point) -> Found:
        said = self.workshop.catalogue.overlay(point.id)
        return Found(
            point.id,
            point.address,
            point.constraint,
            point.type,
            said.get("unit"),
            CONFIDENTIAL in said,
        )
