"""What a message says of the points of its topic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from adapters.mqtt.adapter import MqttAddress, MqttConfig
from ciaas.limits import PAYLOAD_BYTES_MAX
from ciaas.sensorisation.contract import NOTHING, Nothing, RawReading, RawValue, Target
from ciaas.sensorisation.errors import Malformed
from ciaas.sensorisation.selection.json_path import Absent, JsonPath
from ciaas.sensorisation.selection.moment import moment

_UNREAD: Any = object()


class Payload:
    """One message; its JSON is parsed once, and only when a point asks for it."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._document: Any = _UNREAD

    def readings(
        self, targets: Sequence[Target], config: MqttConfig, *, retained: bool
    ) -> list[RawReading]:
        """Return a reading for each target that this message speaks of.

        A path that is not there is no fault: many devices send only what has changed.
        """
        readings = []
        for target in targets:
            try:
                value, observed = self._value(target.address, config)
                readings.append(RawReading(target, value, None, observed, retained))
            except Absent:
                continue
            except Malformed as error:
                readings.append(RawReading(target, None, error))
        return readings

    def document(self) -> Any:
        """Return the payload as JSON.

        Raises:
            Malformed: it is none, or too long.
        """
        if self._document is _UNREAD:
            if len(self._payload) > PAYLOAD_BYTES_MAX:
                raise Malformed(f"the payload has more than {PAYLOAD_BYTES_MAX} bytes")
            try:
                self._document = msgspec.json.decode(self._payload)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise Malformed(f"the payload is no JSON: {error}") from None
        return self._document

    def text(self) -> str:
        """Return the payload as text.

        Raises:
            Malformed: it is none.
        """
        try:
            return self._payload.decode()
        except UnicodeDecodeError:
            raise Malformed("the payload is no UTF-8 text") from None

    def _value(
        self, address: MqttAddress, config: MqttConfig
    ) -> tuple[RawValue | Nothing, int | None]:
        if address.path is None:
            return self.text(), None
        found = JsonPath.parse(address.path).of(self.document())
        observed = None
        if address.time is not None:
            try:
                observed = moment(JsonPath.parse(address.time).of(self.document()), config.zone)
            except Absent as error:
                raise Malformed(str(error)) from None
        if found is None:
            return NOTHING, observed
        if not isinstance(found, bool | int | float | str):
            raise Malformed(f"at {address.path!r} lies no value but a {type(found).__name__}")
        return found, observed

    def online(self) -> bool | None:
        """Return what an availability topic says, None when it says neither."""
        text = self._payload.decode(errors="replace").strip()
        if text.startswith("{"):
            try:
                text = str(self.document().get("state", ""))
            except Malformed:
                return None
        return {"online": True, "offline": False}.get(text.lower())
