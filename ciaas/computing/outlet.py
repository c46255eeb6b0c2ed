"""The durable stream INTERNAL, as adapters and mashups publish to it."""

from __future__ import annotations

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from ciaas.kernel.columns import encode
from ciaas.kernel.sample import Frame
from ciaas.limits import PUBLISH_WAIT_S
from ciaas.sensorisation.ports import OutletFull, OutletUnavailable

_STREAM_FULL = 10077


class InternalOutlet:
    """Publishes frames with a message id, so that a repeat on doubt is stored once."""

    def __init__(self, client: Client, subject: str):
        """``subject`` is ``uplink.<role>.<shard>``."""
        self._stream = client.jetstream(timeout=PUBLISH_WAIT_S)
        self._subject = subject

    async def publish(self, frame: Frame, message_id: str) -> None:
        """Return after the stream stored the frame, or knew the id; raises as `send`."""
        await self.send(encode(frame), message_id)

    async def send(self, body: bytes, message_id: str) -> None:
        """Return after the stream stored an encoded frame, or knew the id.

        Raises:
            OutletUnavailable: nothing can be said about whether the frame arrived.
            OutletFull: it was not stored; core is behind.
        """
        try:
            await self._stream.publish(self._subject, body, headers={"Nats-Msg-Id": message_id})
        except APIError as error:
            if error.err_code == _STREAM_FULL:
                raise OutletFull(str(error.description)) from error
            raise OutletUnavailable(str(error.description)) from error
        except (NatsError, OSError, TimeoutError) as error:
            raise OutletUnavailable(str(error) or type(error).__name__) from error
