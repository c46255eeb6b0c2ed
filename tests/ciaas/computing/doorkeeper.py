"""A city's admission as tests need it: a gate with a list, and what was reported."""

from __future__ import annotations

from dataclasses import dataclass, field

from nats.js.errors import NotFoundError

from ciaas.computing.admission.callout import Callout
from ciaas.computing.admission.claims import Issuer
from ciaas.computing.admission.ports import Permissions, Refusal
from ciaas.computing.admission.presence import Presence
from ciaas.computing.admission.warmup import STREAM, ensure_ingest, platform_tls, warm_up
from ciaas.computing.broker.connection import connect
from ciaas.kernel.address import EndpointId
from tests.ciaas.computing.city import City, Device, SystemClock, new_endpoint, until

PLATFORM = "borough-core"


@dataclass
class ListGate:
    """Admits what is on its list."""

    known: set[str] = field(default_factory=set)
    banned: set[str] = field(default_factory=set)
    revoked: set[str] = field(default_factory=set)
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def admit(
        self, endpoint_uuid: EndpointId, certificate_serial_hex: str, fingerprint: str
    ) -> str | None:
        self.asked.append((endpoint_uuid, certificate_serial_hex, fingerprint))
        if endpoint_uuid not in self.known:
            return "unknown"
        if endpoint_uuid in self.banned:
            return "banned"
        return "revoked" if certificate_serial_hex in self.revoked else None


class Doorkeeper:
    """Callout and presence of one city."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.gate = ListGate()
        self.refusals: list[Refusal] = []
        self.changes: list[tuple[str, bool, int, str]] = []
        self.presence = Presence(lambda *change: self.changes.append(change), SystemClock())
        self.callout = Callout(
            Issuer(city.seeds["issuer"]),
            self.gate,
            SystemClock(),
            platform={PLATFORM: Permissions((), ())},
            on_refusal=self.refusals.append,
            on_admit=self.presence.admitted,
        )
        self.core_identity = city.authority.issue(PLATFORM, "platform")

    async def prepare(self) -> None:
        """Everything that comes before devices are let in."""
        seeds = self.city.seeds
        await self.callout.start(self.city.url, seeds["auth"])
        await self.presence.start(self.city.url, seeds["sys"])
        self.core = await connect(self.city.url, seeds["core"], role="core")
        identity = self.core_identity
        tls = platform_tls(self.city.ca_file, identity.certificate_pem, identity.key_pem)
        await warm_up(self.city.configuration.mqtts, PLATFORM, tls)
        await ensure_ingest(self.core)

    async def end(self) -> None:
        await self.callout.stop()
        await self.presence.stop()
        await self.core.close()

    def stored(self, subject: str) -> bytes | None:
        """Return the last message of a subject that the broker keeps for the uplink."""
        work = self.core.jetstream().get_last_msg(STREAM, f"$MQTT.msgs.{subject}")
        try:
            return self.city.run(work).data
        except NotFoundError:
            return None

    def new_endpoint(self) -> str:
        """Return an endpoint that the gate knows."""
        endpoint = new_endpoint()
        self.gate.known.add(endpoint)
        return endpoint

    def device(self, endpoint: str | None = None) -> Device:
        """Return a device of an endpoint, a new one unless said, with a fresh certificate."""
        return self.city.device(self.city.authority.issue(endpoint or self.new_endpoint()))

    def refused(self, client: str) -> Refusal:
        """Return the first refusal reported of a client."""
        return until(
            lambda: next((r for r in self.refusals if r.client == client), None), "the refusal"
        )

    def seen(self, endpoint: str) -> list[tuple[bool, str]]:
        """Return the changes of presence reported so far: online, reason."""
        return [(change[1], change[3]) for change in self.changes if change[0] == endpoint]
