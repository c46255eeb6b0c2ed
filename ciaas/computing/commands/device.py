"""The way to cloud.iO devices: ``@set`` by MQTT, confirmed by ``@didSet`` among the samples."""

from __future__ import annotations

from collections.abc import Callable

from ciaas.computing.devices import DeviceLine
from ciaas.kernel.address import EndpointId
from ciaas.kernel.downlink.command import Rung
from ciaas.kernel.downlink.ports import Answer, Parcel
from ciaas.kernel.model import Attribute, EndpointModel
from ciaas.kernel.wire.document import WireFormat
from ciaas.kernel.wire.encoding import encode_attribute
from ciaas.kernel.wire.topic import Verb, long_form
from ciaas.ports import Endpoint

_LONG_FORM_VERSION = 1


class DeviceCourier:
    """Publishes ``@set`` with the command's stamp, in a format that the device understands."""

    stamped = True

    def __init__(self, online: Callable[[EndpointId], bool]) -> None:
        """``online`` tells whether a device is connected now."""
        self._online = online
        self.line: DeviceLine | None = None
        """None until there is a broker."""

    def ready(self, endpoint: Endpoint) -> bool:
        """Tell whether broker and device are there."""
        return self.line is not None and self.line.connected and self._online(endpoint.uuid)

    def send(self, parcel: Parcel, answered: Callable[[Answer], None]) -> None:
        """Publish; the answer comes as a sample."""
        topic, payload = written(parcel)
        if self.line is None or not self.line.set(topic, payload):
            answered(Answer(Rung.QUEUED, "core", "the broker is away"))


def written(parcel: Parcel) -> tuple[str, bytes]:
    """Return topic and payload of the ``@set``.

    The time is given in seconds with milliseconds: without one a device's clock of the attribute
    jumps, and a finer one is cut off, so that the confirmation would bear another.
    """
    model = parcel.endpoint.model or EndpointModel()
    command, point = parcel.command, parcel.point
    attribute = Attribute(point.constraint, point.type, command.stamp / 1_000, parcel.value)
    old = model.message_format_version == _LONG_FORM_VERSION and parcel.endpoint.model is not None
    address = long_form(command.address) if old else command.address
    return f"{Verb.SET.value}/{address}", encode_attribute(attribute, _form(model))


def _form(model: EndpointModel) -> WireFormat:
    """Return the first format that both sides know; none told means JSON."""
    for name in model.supported_formats:
        if name in WireFormat.__members__:
            return WireFormat(name)
    return WireFormat.JSON
