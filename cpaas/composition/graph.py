"""The graph of a mashup: typed nodes, wired ports, no circles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from cpaas.composition import document as documents
from cpaas.composition.document import Document
from cpaas.composition.nodes.catalogue import NODE_TYPES
from cpaas.composition.nodes.contract import OUT, AnyNode, Fault, Params
from cpaas.limits import MASHUP_FAN_OUT_MAX


@dataclass(frozen=True, slots=True)
class Step:
    """One node with its parameters read and its inputs known."""

    id: str
    title: str
    kind: AnyNode
    params: Params
    inputs: Mapping[str, str]
    """Port → node that feeds it."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Steps in an order in which each follows what feeds it; the same graph gives the same."""

    document: Document
    steps: tuple[Step, ...]

    def step(self, node: str) -> Step:
        """Return a step by its id."""
        return next(step for step in self.steps if step.id == node)

    def after(self, nodes: set[str]) -> set[str]:
        """Return these nodes and all that is fed by them."""
        reached = set(nodes)
        for step in self.steps:
            if reached.intersection(step.inputs.values()):
                reached.add(step.id)
        return reached


def check_graph(document: Document) -> Graph:
    """Return the graph of a document.

    Raises:
        Fault: a node, a wire or the whole is not right; the sentence says what to do.
    """
    if not document.nodes:
        raise Fault("the mashup is empty; begin with a source")
    ids = Counter(node.id for node in document.nodes)
    if twice := [node for node, count in ids.items() if count > 1]:
        raise Fault(f"two nodes are called {twice[0]}; give each its own id", node=twice[0])
    kinds = {node.id: _kind(node) for node in document.nodes}
    params = {node.id: _params(node, kinds[node.id]) for node in document.nodes}
    fed = _wired(document, kinds, params)
    order = _order(document)
    titles = {node.id: node.title for node in document.nodes}
    steps = tuple(Step(id, titles[id], kinds[id], params[id], fed[id]) for id in order)
    _check_purpose(steps)
    return Graph(document, steps)


def _kind(node: documents.Node) -> AnyNode:
    kind = NODE_TYPES.get(node.type)
    if kind is None:
        raise Fault(f"{node.type!r} is no type of node; there is {', '.join(NODE_TYPES)}", node.id)
    if node.type_version != kind.version:
        raise Fault(
            f"{node.type} has version {kind.version} here, not {node.type_version}; "
            "set typeVersion to it and look the parameters over",
            node.id,
        )
    return kind


def _params(node: documents.Node, kind: AnyNode) -> Params:
    try:
        params: Params = kind.params.model_validate(node.params)
    except ValidationError as error:
        place = str(error.errors(include_url=False)[0]["loc"][:1] or "").strip("(',)")
        raise Fault(f"{node.id}: {documents.said(error)}", node.id, place) from None
    return params


def _wired(
    document: Document, kinds: Mapping[str, AnyNode], params: Mapping[str, Params]
) -> dict[str, dict[str, str]]:
    """Return what feeds each input."""
    fed: dict[str, dict[str, str]] = {node: {} for node in kinds}
    ports = {node: [port.name for port in kinds[node].inputs(params[node])] for node in kinds}
    out: Counter[str] = Counter()
    for wire in document.wires:
        source, _, given = wire.from_.partition(".")
        target, _, port = wire.to.partition(".")
        for node in (source, target):
            if node not in kinds:
                raise Fault(f"wire {wire.from_} → {wire.to}: there is no node {node}", node)
        if given != OUT or kinds[source].act is not None:
            has = "no output" if kinds[source].act is not None else f"the one output {OUT!r}"
            raise Fault(f"wire from {wire.from_}: {source} has {has}", source)
        if port not in ports[target]:
            has = ", ".join(ports[target]) or "none"
            raise Fault(f"wire to {wire.to}: {target} has no such input; it has {has}", target)
        if port in fed[target]:
            raise Fault(f"{wire.to} is wired twice; an input takes one wire", target)
        fed[target][port] = source
        out[source] += 1
        if out[source] > MASHUP_FAN_OUT_MAX:
            raise Fault(f"{source} feeds more than {MASHUP_FAN_OUT_MAX} inputs; split it", source)
    for node, names in ports.items():
        for port in names:
            if port not in fed[node]:
                raise Fault(f"input {node}.{port} is not wired; lead something to it", node)
    return fed


def _order(document: Document) -> list[str]:
    import networkx as nx  # when first needed: core's start does not wait for it

    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(sorted(node.id for node in document.nodes))
    graph.add_edges_from(_edges(document))
    try:
        return list(nx.lexicographical_topological_sort(graph))
    except nx.NetworkXUnfeasible:
        circle = [edge[0] for edge in nx.find_cycle(graph)]
        raise Fault(
            f"{' → '.join([*circle, circle[0]])} runs in a circle; take one of these wires away",
            circle[0],
        ) from None


def _edges(document: Document) -> Iterator[tuple[str, str]]:
    for wire in document.wires:
        yield wire.from_.partition(".")[0], wire.to.partition(".")[0]


def _check_purpose(steps: tuple[Step, ...]) -> None:
    used = {source for step in steps for source in step.inputs.values()}
    for step in steps:
        if step.kind.act is None and step.id not in used:
            raise Fault(
                f"nothing comes of {step.id}; lead it to a node that records, alarms, commands "
                "or tells, or take it away",
                step.id,
            )
