"""One careful try at a Modbus device: how far does it get, and what should be done next."""

from __future__ import annotations

import asyncio

from adapters.modbus.adapter import Modbus, ModbusAddress, ModbusConfig, Table
from ciaas.sensorisation.contract import ProbeReport, ProbeStep, Target
from ciaas.sensorisation.errors import AdapterError, DriverMissing, RateLimited, Rejected

_REGISTER_BYTES = 2


async def probe(adapter: Modbus, config: ModbusConfig) -> ProbeReport:
    """Resolve the name, connect, and read one register; a refusal proves the protocol as well."""
    steps: list[ProbeStep] = []
    place = f"{config.host}:{config.port}"
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(config.host, config.port)
        steps.append(ProbeStep("dns", True, str(found[0][4][0])))
    except OSError as error:
        steps.append(ProbeStep("dns", False, str(error)))
        return ProbeReport(tuple(steps), f"correct the host name {config.host!r}")
    try:
        session = await adapter.open(config)
    except DriverMissing as error:
        steps.append(ProbeStep("driver", False, str(error)))
        return ProbeReport(tuple(steps), str(error))
    except AdapterError as error:
        steps.append(ProbeStep("tcp", False, str(error)))
        return ProbeReport(tuple(steps), f"see that a Modbus server listens on {place}")
    steps.append(ProbeStep("tcp", True, place))
    target = Target(ModbusAddress(table=Table.HOLDING, register=0), _REGISTER_BYTES)
    try:
        readings = await session.read(adapter.plan(config, [target])[0])
        steps.append(ProbeStep("protocol", True, f"holding 0 reads {readings[0].value!r}"))
    except (Rejected, RateLimited) as error:
        steps.append(ProbeStep("protocol", True, f"it answers: {error}"))
    except AdapterError as error:
        steps.append(ProbeStep("protocol", False, str(error)))
        return ProbeReport(tuple(steps), f"something listens on {place}; check unit {config.unit}")
    finally:
        await session.close()
    return ProbeReport(tuple(steps))
