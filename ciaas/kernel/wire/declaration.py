"""What a device declares: attributes, nodes and its whole data model, read element by element."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

from ciaas.kernel.address import AddressError, check_name
from ciaas.kernel.model import Attribute, Constraint, EndpointModel, Node, Thing, ValueType
from ciaas.kernel.wire.document import Tree, WireError, is_text
from ciaas.kernel.wire.reading import name_of, read_reading
from ciaas.limits import ADDRESS_CHARS_MAX, ADDRESS_LEVELS_MAX, POINTS_PER_ENDPOINT_MAX

_UUID_CHARS = 36
_T = TypeVar("_T")


class Fault(NamedTuple):
    """An element that was left out, where it stands below the document, and why."""

    path: str
    reason: str
    element: object
    crowded: bool = False
    """True when nothing is wrong with it, but the endpoint has enough points."""


def read_attribute(element: object) -> Attribute:
    """Return an attribute with all that it says of itself.

    Raises:
        WireError: as `read_reading`, or its type or constraint is not of cloud.io.
    """
    reading = read_reading(element)
    tree = element if isinstance(element, dict) else {}
    constraint = _CONSTRAINTS.get(_text(tree.get("constraint")))
    value_type = _TYPES.get(_text(tree.get("type")))
    if constraint is None:
        raise WireError(f"the constraint has to be one of {', '.join(_CONSTRAINTS)}")
    if value_type is None:
        raise WireError(f"the type has to be one of {', '.join(_TYPES)}")
    return Attribute(constraint, value_type, reading.timestamp, reading.value)


def read_model(tree: Tree) -> tuple[EndpointModel, list[Fault]]:
    """Return the data model of an ``@online`` and the elements that had to be left out of it.

    Raises:
        WireError: ``nodes`` is missing or no map.
    """
    nodes = tree.get("nodes")
    if not isinstance(nodes, dict):
        raise WireError("a data model needs a map of nodes")
    walk = _Walk()
    version = walk.expect("version", tree.get("version"), str, "unknown")
    number = walk.expect("messageFormatVersion", tree.get("messageFormatVersion"), int, 1)
    formats = walk.texts("supportedFormats", tree.get("supportedFormats", ["JSON"]))
    read = {
        name: node
        for name, element in walk.named(nodes, ())
        if (node := walk.attempt((name,), element, walk.node)) is not None
    }
    return EndpointModel(version, number, formats, read), walk.faults


def read_node(name: str, tree: Tree) -> tuple[Node, list[Fault]]:
    """Return the node of a ``@nodeAdded`` and the elements that had to be left out of it.

    Raises:
        WireError: it is no node at all.
        AddressError: the name can not be part of an address.
    """
    check_name(name)
    walk = _Walk()
    return walk.node((name,), tree), walk.faults


def without_readings(model: EndpointModel) -> EndpointModel:
    """Return the model as a declaration: a device that comes back unchanged declares the same."""
    nodes = {name: node_without_readings(node) for name, node in model.nodes.items()}
    return replace(model, nodes=nodes)


def node_without_readings(node: Node) -> Node:
    """Return the node without times and values; a Static keeps its value, which describes it."""
    objects = {name: _thing_without_readings(thing) for name, thing in node.objects.items()}
    return replace(node, objects=objects)


def _thing_without_readings(thing: Thing) -> Thing:
    attributes = {
        name: replace(
            attribute,
            timestamp=None,
            value=attribute.value if attribute.constraint is Constraint.STATIC else None,
        )
        for name, attribute in thing.attributes.items()
    }
    objects = {name: _thing_without_readings(inner) for name, inner in thing.objects.items()}
    return replace(thing, attributes=attributes, objects=objects)


class _Crowded(WireError):
    """There are as many points as an endpoint may have."""


@dataclass(slots=True)
class _Walk:
    """One pass over a declaration; what it leaves out it keeps as faults."""

    faults: list[Fault] = field(default_factory=list)
    points: int = 0

    def node(self, path: tuple[str, ...], element: object) -> Node:
        if not isinstance(element, dict):
            raise WireError(f"a node is a map, not {name_of(element)}")
        implements = self.texts("/".join((*path, "implements")), element.get("implements"))
        return Node(implements, self._objects(path, element))

    def thing(self, path: tuple[str, ...], element: object) -> Thing:
        if not isinstance(element, dict):
            raise WireError(f"an object is a map, not {name_of(element)}")
        where = "/".join(path)
        conforms = element.get("conforms")
        if conforms is not None:
            conforms = self.expect(f"{where}/conforms", conforms, str, "") or None
        attributes = self.expect(f"{where}/attributes", element.get("attributes"), dict, {})
        return Thing(
            conforms,
            self._objects(path, element),
            {
                name: attribute
                for name, inner in self.named(attributes, path)
                if (attribute := self.attempt((*path, name), inner, self.attribute)) is not None
            },
        )

    def attribute(self, path: tuple[str, ...], element: object) -> Attribute:
        if self.points == POINTS_PER_ENDPOINT_MAX:
            raise _Crowded(f"an endpoint has at most {POINTS_PER_ENDPOINT_MAX} attributes")
        attribute = read_attribute(element)
        self.points += 1
        return attribute

    def named(
        self, elements: dict[str, object], path: tuple[str, ...]
    ) -> Iterable[tuple[str, object]]:
        """Yield the elements whose names may be part of an address that is not too long."""
        taken = _UUID_CHARS + sum(map(len, path)) + len(path) + 1
        for name, element in elements.items():
            try:
                check_name(name if isinstance(name, str) else "")
                if len(path) + 2 > ADDRESS_LEVELS_MAX or taken + len(name) > ADDRESS_CHARS_MAX:
                    raise AddressError("the address is too long")
            except AddressError as error:
                self._leave_out((*path, str(name)[:64]), str(error), element)
            else:
                yield name, element

    def attempt(
        self,
        path: tuple[str, ...],
        element: object,
        read: Callable[[tuple[str, ...], object], _T],
    ) -> _T | None:
        """Return what ``read`` makes of an element, None after noting why it can not be read."""
        try:
            return read(path, element)
        except WireError as error:
            self._leave_out(path, str(error), element, crowded=isinstance(error, _Crowded))
            return None

    def expect(self, where: str, element: object, kind: type[_T], default: _T) -> _T:
        """Return an optional element, the default when it is absent, null or of no use."""
        if isinstance(element, kind) and not (isinstance(element, bool) and kind is int):
            if kind is not str or is_text(element):
                return element
        if element is not None:
            self._leave_out((where,), f"it can not be {name_of(element)}", element)
        return default

    def texts(self, where: str, element: object) -> tuple[str, ...]:
        """Return an array of texts, or a single text as such an array."""
        if is_text(element):
            return (element,)
        texts = self.expect(where, element, list, [])
        return tuple(text for text in texts if self.expect(where, text, str, ""))

    def _objects(self, path: tuple[str, ...], element: Tree) -> dict[str, Thing]:
        where = "/".join((*path, "objects"))
        objects = self.expect(where, element.get("objects"), dict, {})
        return {
            name: thing
            for name, inner in self.named(objects, path)
            if (thing := self.attempt((*path, name), inner, self.thing)) is not None
        }

    def _leave_out(
        self, path: tuple[str, ...], reason: str, element: object, *, crowded: bool = False
    ) -> None:
        self.faults.append(Fault("/".join(path), reason, element, crowded))


def _text(element: object) -> str:
    return element if isinstance(element, str) else ""


_CONSTRAINTS = {constraint.value: constraint for constraint in Constraint}
_TYPES = {value_type.value: value_type for value_type in ValueType}
