"""One careful try at a broker: how far does it get, and what should be done next."""

from __future__ import annotations

import asyncio

from adapters.mqtt.adapter import Mqtt, MqttConfig
from ciaas.sensorisation.contract import ProbeReport, ProbeStep
from ciaas.sensorisation.errors import AdapterError, AuthFailed


async def probe(adapter: Mqtt, config: MqttConfig) -> ProbeReport:
    """Resolve the name, open a session under another name than ours, and make one round trip."""
    steps: list[ProbeStep] = []
    place = f"{config.host}:{config.port}"
    try:
        found = await asyncio.get_running_loop().getaddrinfo(config.host, config.port)
        steps.append(ProbeStep("dns", True, str(found[0][4][0])))
    except OSError as error:
        steps.append(ProbeStep("dns", False, str(error)))
        return ProbeReport(tuple(steps), f"correct the host name {config.host!r}")
    # the session of the running connection would be taken over by one of the same name
    other = config.model_copy(
        update={"client_id": f"{config.client_id[:100]}-probe", "discover": ()}
    )
    try:
        from adapters.mqtt.session import connect

        channel = await connect(other, adapter.means.secrets, kept=False)
    except ImportError as error:
        steps.append(ProbeStep("driver", False, str(error)))
        return ProbeReport(tuple(steps), "install borough[mqtt] and restart")
    except AuthFailed as error:
        steps.append(ProbeStep("auth", False, str(error)))
        return ProbeReport(tuple(steps), f"correct username and password for {place}")
    except AdapterError as error:
        steps.append(ProbeStep("session", False, str(error)))
        return ProbeReport(tuple(steps), f"see that an MQTT broker listens on {place}")
    steps.append(ProbeStep("session", True, place))
    try:
        await channel.heartbeat()
        steps.append(ProbeStep("protocol", True, "the broker answers"))
    except AdapterError as error:
        steps.append(ProbeStep("protocol", False, str(error)))
        return ProbeReport(tuple(steps), f"something listens on {place}; is it an MQTT broker?")
    finally:
        await channel.close()
    return ProbeReport(tuple(steps))
