"""What is published to set a point, or to have a device say what it has now.

Source: Zigbee2MQTT, MQTT topics and messages: ``FRIENDLY_NAME/set`` and ``FRIENDLY_NAME/get``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from adapters.mqtt.adapter import MqttAddress, MqttConfig, keys_of
from ciaas.limits import PAYLOAD_BYTES_MAX
from ciaas.sensorisation.contract import Masked, RawValue, WrittenValue
from ciaas.sensorisation.errors import Rejected


class Publication(NamedTuple):
    """One message to be published."""

    topic: str
    payload: bytes


def setting(config: MqttConfig, address: MqttAddress, value: WrittenValue) -> Publication:
    """Return what sets a point.

    Raises:
        Rejected: the value makes the payload too long.
    """
    how = address.set
    assert how is not None and not isinstance(value, bytes | Masked), "checked with the document"
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 40, not 40.0: a payload that is text has nothing else to go by
    if how.template is not None:
        said = _json(value) if how.json_template else _text(value)
        payload = how.template.replace("{value}", said).encode()
    elif address.path is not None:
        payload = _json(_nested(keys_of(address.path), value)).encode()
    else:
        payload = _text(value).encode()
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise Rejected(f"the payload would have {len(payload)} bytes", code="payload")
    return Publication(config.whole(how.topic), payload)


def question(config: MqttConfig, address: MqttAddress) -> Publication | None:
    """Return what makes the device say what it has now; None when it cannot be asked."""
    if address.set is None or address.set.get is None:
        return None
    asked = b"" if address.path is None else _json(_nested(keys_of(address.path), "")).encode()
    return Publication(config.whole(address.set.get), asked)


def _nested(keys: tuple[str, ...], value: RawValue) -> Any:
    document: Any = value
    for key in reversed(keys):
        document = {key: document}
    return document


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _text(value: RawValue) -> str:
    return _json(value) if isinstance(value, bool) else str(value)
