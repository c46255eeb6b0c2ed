"""From messages of devices to columns: decoding, and setting aside what can not be used."""

from ciaas.kernel.decode.batch import Confirmation, Decoded, DeviceLog, DeviceOutput
from ciaas.kernel.decode.decoder import Decoder, Presence
from ciaas.kernel.decode.quarantine import Why

__all__ = [
    "Confirmation",
    "Decoded",
    "Decoder",
    "DeviceLog",
    "DeviceOutput",
    "Presence",
    "Why",
]
