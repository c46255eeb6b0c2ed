"""The decoder of the uplink: topics and payloads in, columns and set-aside parts out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias, TypeVar

from ciaas.kernel.address import (
    AddressError,
    EndpointId,
    PointAddress,
    check_endpoint,
    check_levels,
    check_name,
)
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.decode.batch import Batch, Confirmation, Decoded, DeviceLog, DeviceOutput, Part
from ciaas.kernel.decode.quarantine import Why
from ciaas.kernel.model import Constraint, Node, Value
from ciaas.kernel.wire.declaration import (
    Fault,
    node_without_readings,
    read_attribute,
    read_model,
    read_node,
    without_readings,
)
from ciaas.kernel.wire.document import WireError
from ciaas.kernel.wire.journal import read_log, read_output
from ciaas.kernel.wire.reading import (
    Reading,
    read_attributes,
    read_clean,
    read_correlation,
    read_delayed,
    read_entries,
    read_reading,
    read_single,
    read_transaction,
    said,
)
from ciaas.kernel.wire.topic import TO_DEVICE, Verb, short_form, topic_of
from ciaas.limits import DELAYED_NESTING_MAX, FUTURE_MS
from ciaas.ports import Conflict, Message, Missing

_T = TypeVar("_T")


class Presence(Protocol):
    """Learns which endpoints are connected. Times are milliseconds since 1970 UTC."""

    def online(self, uuid: EndpointId, at_ms: int) -> None:
        """Told at each ``@online``."""
        ...

    def offline(self, uuid: EndpointId, at_ms: int) -> None:
        """Told at each ``@offline``."""
        ...


class Decoder:
    """Decodes batches of messages in stream order; called from one thread at a time.

    Nothing that a device sends is dropped in silence: each message becomes rows, or is set aside
    with a reason, or both, or is one of the known messages that carry nothing. A value is kept
    whatever its constraint says of who may change it.
    """

    def __init__(
        self, catalogue: Catalogue, presence: Presence, *, future_ms: int = FUTURE_MS
    ) -> None:
        self._catalogue = catalogue
        self._presence = presence
        self._future_ms = future_ms
        self._static_values: dict[int, tuple[type, Value]] = {}
        """Values of Static attributes recorded since the process started, by point."""
        self._actions: dict[str, _Action] = {
            Verb.ONLINE: self._online,
            Verb.OFFLINE: self._offline,
            Verb.NODE_ADDED: self._node_added,
            Verb.NODE_REMOVED: self._node_removed,
            Verb.UPDATE: self._attribute,
            Verb.DID_SET: self._attribute,
            Verb.TRANSACTION: self._transaction,
            Verb.DELAYED: self._delayed,
            Verb.LOGS: self._logs,
            Verb.EXEC_OUTPUT: self._exec_output,
        }

    def decode(self, messages: Sequence[Message]) -> Decoded:
        """Return what the messages say; never raises for anything that a device sent."""
        batch = Batch(messages)
        # The lists are filled right here, without a call per row: most of the uplink passes by.
        find = self._catalogue.by_subject
        add_point, add_value = batch.rows.point.append, batch.rows.value.append
        add_timestamp, add_message = batch.rows.timestamp.append, batch.rows.message.append
        for index, (subject, payload, _, _, _) in enumerate(messages):
            verb = subject[:8]  # both verbs of single values are eight bytes long, dot included
            point = find(subject[8:]) if verb == b"@update." or verb == b"@didSet." else None
            if point is None or (reading := read_single(payload)) is None:
                self._message(batch, index, subject, payload)
                continue
            add_point(point)
            add_value(reading.value)
            add_timestamp(reading.timestamp)
            add_message(index)
            if verb == b"@didSet.":
                row = len(batch.rows.point) - 1
                batch.confirmations.append(Confirmation(row, reading.correlation_id))
        decoded = batch.decoded(self._catalogue, self._future_ms)
        self._static_values.update(batch.static_values)
        return decoded

    # -- one message or entry

    def _message(self, batch: Batch, index: int, subject: bytes, payload: bytes) -> None:
        """Read a message that the short way does not: any verb, and all that is unusual."""
        try:
            part = Part(index, topic_of(subject), payload)
        except UnicodeDecodeError:
            part = Part(index, "", payload)
            batch.aside(part, Why.BAD_ADDRESS, "the topic is no UTF-8")
            return
        self._deliver(batch, part)

    def _deliver(self, batch: Batch, part: Part) -> None:
        """Let a part do what its verb says; whatever is wrong with it, it is set aside."""
        verb, *levels = part.topic.split("/")
        if verb in TO_DEVICE and not part.nesting:
            batch.skipped += 1
            return
        uuid = ""
        try:
            action = self._actions.get(verb)
            if action is None or (part.nesting and verb in _PRESENCE):
                batch.aside(part, Why.UNKNOWN_VERB, f"{verb[:32]!r} is not sent by devices here")
                return
            uuid = sender = check_endpoint(levels[0] if levels else "")
            if part.sender is not None and sender != part.sender:
                batch.aside(part, Why.FORGED_ADDRESS, f"sent by {part.sender}", part.sender)
                return
            if self._catalogue.endpoint(sender) is None and not self._just_created(batch, sender):
                detail = "no such endpoint is registered; create it first"
                batch.aside(part, Why.UNKNOWN_ENDPOINT, detail, sender)
                return
            part.sender = sender
            if part.empty and verb in _RETAINED and not part.nesting:
                batch.skipped += 1
                return
            action(batch, part, sender, levels[1:])
        except AddressError as error:
            batch.aside(part, Why.BAD_ADDRESS, str(error), uuid)
        except WireError as error:
            batch.aside(part, Why.MALFORMED, str(error), uuid)
        except Conflict as error:
            batch.aside(part, Why.TOO_MANY_POINTS, str(error), uuid)
        except Missing as error:
            batch.aside(part, Why.UNKNOWN_ENDPOINT, str(error), uuid)

    def _just_created(self, batch: Batch, uuid: EndpointId) -> bool:
        """Look again, once a batch: a device may be faster than the news of its registration."""
        if not batch.refreshed:
            batch.refreshed = True
            self._catalogue.refresh()
        return self._catalogue.endpoint(uuid) is not None

    # -- verbs

    def _online(self, batch: Batch, part: Part, sender: EndpointId, path: _Path) -> None:
        _expect_path(path, 0)
        self._presence.online(sender, batch.messages[part.index].received)
        tree, trailing = part.document()
        model, faults = read_model(tree)
        batch.learn(self._catalogue)
        self._catalogue.declare(sender, without_readings(model))
        for name, node in model.nodes.items():
            self._initial_values(batch, part, sender, name, node)
        self._report(batch, part, sender, faults, trailing)

    def _offline(self, batch: Batch, part: Part, sender: EndpointId, path: _Path) -> None:
        _expect_path(path, 0)
        self._presence.offline(sender, batch.messages[part.index].received)

    def _node_added(self, batch: Batch, part: Part, sender: EndpointId, path: _Path) -> None:
        path = short_form(path)
        _expect_path(path, 1)
        tree, trailing = part.document()
        node, faults = read_node(path[0], tree)
        batch.learn(self._catalogue)
        self._catalogue.declare_node(sender, path[0], node_without_readings(node))
        self._initial_values(batch, part, sender, path[0], node)
        self._report(batch, part, sender, faults, trailing)

    def _node_removed(self, batch: Batch, part: Part, sender: EndpointId, path: _Path) -> None:
        path = short_form(path)
        _expect_path(path, 1)
        batch.learn(self._catalogue)
        self._catalogue.remove_node(sender, check_name(path[0]))

    def _attribute(self, batch: Batch, part: Part, sender: EndpointId, path: _Path) -> None:
        address = self._address(sender, path)
        tree, trailing = part.document()
        row = self._put(batch, part.index, address, tree)
        if part.topic.startswith(Verb.DID_SET):
            correlation_id, trailing = read_correlation(tree, trailing)
            batch.confirmations.append(Confirmation(row, correlation_id))
        self._report(batch, part, sender, (), trailing)

    def _transaction(self, batch: Batch, part: Part, sender: EndpointId, path: _Path) -> None:
        _expect_path(path, 0)
        rest: Sequence[str] | None = None
        if (transaction := read_transaction(part.payload)) is not None:
            rest = self._take_known(batch, part, sender, transaction.attributes, said)
            if transaction.attributes and not rest:
                return
        tree, trailing = part.document()
        attributes = read_attributes(tree)
        if not attributes:
            batch.skipped += 1
        if rest is None:
            rest = self._take_known(batch, part, sender, attributes, read_clean)
        for written in rest:
            self._element(batch, part, sender, written, attributes[written])
        self._report(batch, part, sender, (), trailing)

    def _take_known(
        self,
        batch: Batch,
        part: Part,
        sender: EndpointId,
        attributes: Mapping[str, _T],
        read: Callable[[_T], Reading | None],
    ) -> Sequence[str]:
        """Take the clean readings of known points; returns where the others are."""
        append, find = batch.rows.append, self._catalogue.by_address
        index, own, rest = part.index, f"{sender}/", []
        for written, element in attributes.items():
            point, reading = find(PointAddress(written)), read(element)
            if point is None or reading is None or not written.startswith(own):
                rest.append(written)
            else:
                append(point.id, reading.value, reading.timestamp, index)
        return rest

    def _delayed(self, batch: Batch, part: Part, sender: EndpointId, path: _Path) -> None:
        _expect_path(path, 0)
        nesting = part.nesting + 1
        if nesting > DELAYED_NESTING_MAX:
            raise WireError(f"more than {DELAYED_NESTING_MAX} delayed messages within each other")
        if (delayed := read_delayed(part.payload)) is not None:
            for entry in delayed.messages:
                data = bytes(entry.data)
                self._entry(batch, Part(part.index, entry.topic, data, None, sender, nesting))
            if delayed.messages:
                return
        tree, trailing = part.document()
        good, bad = read_entries(tree)
        if not good and not bad:
            batch.skipped += 1
        for topic, element in good:
            self._entry(batch, Part(part.index, topic, None, element, sender, nesting))
        for element in bad:
            detail = "a delayed message needs a topic"
            batch.aside_element(part, Why.MALFORMED, detail, element, sender)
        self._report(batch, part, sender, (), trailing)

    def _entry(self, batch: Batch, part: Part) -> None:
        """Take an entry of a ``@delayed``, the short way if it is a value of a known point."""
        topic, sender = part.topic, part.sender
        if topic.startswith(f"{Verb.UPDATE}/{sender}/"):
            point = self._catalogue.by_address(PointAddress(topic[len(Verb.UPDATE) + 1 :]))
            reading = read_single(part.payload) if part.payload else read_clean(part.tree)
            if point is not None and reading is not None:
                batch.rows.append(point.id, reading.value, reading.timestamp, part.index)
                return
        self._deliver(batch, part)

    def _logs(self, batch: Batch, part: Part, sender: EndpointId, path: _Path) -> None:
        _expect_path(path, 0)
        tree, trailing = part.document()
        received = batch.messages[part.index].received
        batch.logs.append(DeviceLog(sender, received, read_log(tree)))
        self._report(batch, part, sender, (), trailing)

    def _exec_output(self, batch: Batch, part: Part, sender: EndpointId, path: _Path) -> None:
        _expect_path(path, 1)
        tree, trailing = part.document()
        received = batch.messages[part.index].received
        batch.outputs.append(DeviceOutput(sender, received, read_output(tree)))
        self._report(batch, part, sender, (), trailing)

    # -- elements

    def _element(
        self, batch: Batch, part: Part, sender: EndpointId, written: object, element: object
    ) -> None:
        """Take one attribute of a transaction; whatever is wrong with it, it alone is set aside."""
        if not isinstance(written, str):
            detail = "an address is text"
            batch.aside_element(part, Why.BAD_ADDRESS, detail, repr(written), sender)
            return
        uuid, *path = written.split("/")
        try:
            if check_endpoint(uuid) != sender:
                detail = f"{written[:100]!r} was sent by {sender}"
                batch.aside_element(part, Why.FORGED_ADDRESS, detail, {written: element}, sender)
                return
            self._put(batch, part.index, self._address(sender, path), element)
        except AddressError as error:
            batch.aside_element(part, Why.BAD_ADDRESS, str(error), {written: element}, sender)
        except WireError as error:
            detail = f"{written[:100]}: {error}"
            batch.aside_element(part, Why.MALFORMED, detail, {written: element}, sender)

    def _put(self, batch: Batch, index: int, address: PointAddress, element: object) -> int:
        """Add the reading of an element; the first of an unknown point has to say what it is."""
        point = self._catalogue.by_address(address)
        if point is not None:
            reading = read_reading(element)
            return batch.rows.append(point.id, reading.value, reading.timestamp, index)
        if not batch.met(address):
            batch.meets(address, read_attribute(element))
        reading = read_reading(element)
        return batch.put_unlearned(address, reading.value, reading.timestamp, index)

    def _address(self, sender: EndpointId, path: _Path) -> PointAddress:
        """Return the address that a path below its endpoint stands for, in either form."""
        literal = PointAddress("/".join((sender, *path)))
        if self._catalogue.by_address(literal) is not None:
            return literal
        levels = check_levels((sender, *short_form(path)))
        if len(levels) < _POINT_LEVELS_MIN:
            raise AddressError("a data point needs endpoint/node/object/attribute")
        address = PointAddress("/".join(levels))
        if address != literal and (point := self._catalogue.by_address(address)) is not None:
            self._catalogue.remember_long_form(point)
        return address

    def _initial_values(
        self, batch: Batch, part: Part, sender: EndpointId, name: str, node: Node
    ) -> None:
        """Record what a declaration says of values; an unchanged Static only once a process.

        What was recorded is remembered here and not looked up in the registry: there it is stored
        before this batch is recorded, and a crash between the two would lose the value.
        """
        for path, attribute, _ in node.attributes():
            if attribute.value is None:
                continue
            address = PointAddress("/".join((sender, name, *path)))
            point = self._catalogue.by_address(address)
            if point is None:
                batch.meets(address, attribute)
                batch.put_unlearned(address, attribute.value, attribute.timestamp, part.index)
                continue
            if attribute.constraint is Constraint.STATIC:
                value = (type(attribute.value), attribute.value)
                if value in (self._static_values.get(point.id), batch.static_values.get(point.id)):
                    continue
                batch.static_values[point.id] = value
            batch.rows.append(point.id, attribute.value, attribute.timestamp, part.index)

    def _report(
        self,
        batch: Batch,
        part: Part,
        sender: EndpointId,
        faults: Sequence[Fault],
        trailing: bytes,
    ) -> None:
        """Set aside what had to be left out of a part that was otherwise good."""
        for fault in faults:
            why = Why.TOO_MANY_POINTS if fault.crowded else Why.MALFORMED
            detail = f"{fault.path}: {fault.reason}"
            batch.aside_element(part, why, detail, {fault.path: fault.element}, sender)
        if trailing:
            detail = "more bytes follow the document"
            batch.aside_element(part, Why.MALFORMED, detail, trailing, sender)


def _expect_path(path: _Path, levels: int) -> None:
    if len(path) != levels:
        raise AddressError(f"the topic has {len(path)} levels after the endpoint, not {levels}")


_Path: TypeAlias = Sequence[str]
_Action: TypeAlias = Callable[[Batch, Part, EndpointId, _Path], None]
_POINT_LEVELS_MIN = 4
_PRESENCE = frozenset({Verb.ONLINE, Verb.OFFLINE})
_RETAINED = frozenset({Verb.ONLINE, Verb.UPDATE, Verb.DID_SET, Verb.TRANSACTION, Verb.DELAYED})
"""Verbs whose messages may be retained: an empty payload clears one."""
