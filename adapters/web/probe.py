"""One careful try at a document: how far does it get, and what should be done next."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from adapters.web.adapter import Web, WebConfig
from ciaas.sensorisation.contract import ProbeReport, ProbeStep
from ciaas.sensorisation.errors import AdapterError, AuthFailed, DriverMissing, Malformed


async def probe(adapter: Web, config: WebConfig) -> ProbeReport:
    """Resolve the name, fetch the document once and parse it."""
    steps: list[ProbeStep] = []
    parts = urlsplit(config.url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port)
        steps.append(ProbeStep("dns", True, str(found[0][4][0])))
    except OSError as error:
        steps.append(ProbeStep("dns", False, str(error)))
        return ProbeReport(tuple(steps), f"correct the host name {host!r}")
    try:
        session = adapter.session(config)
    except DriverMissing as error:
        steps.append(ProbeStep("driver", False, str(error)))
        return ProbeReport(tuple(steps), str(error))
    try:
        await session.fetch()
    except Malformed as error:
        steps.append(ProbeStep("document", False, str(error)))
        return ProbeReport(tuple(steps), "correct 'format': something else comes from this URL")
    except AuthFailed as error:
        steps.append(ProbeStep("permission", False, str(error)))
        return ProbeReport(tuple(steps), str(error))
    except AdapterError as error:
        steps.append(ProbeStep("http", False, str(error)))
        return ProbeReport(tuple(steps), f"see that {config.url} can be fetched from this machine")
    finally:
        await session.close()
    steps.append(ProbeStep("document", True, f"{config.url} is {config.format}"))
    return ProbeReport(tuple(steps))
