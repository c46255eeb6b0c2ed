"""The only place that knows pymodbus: its keyword for the device was renamed twice already."""

from __future__ import annotations

import logging
import struct
from collections.abc import Awaitable, Sequence

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ModbusPDU

from adapters.modbus.adapter import ModbusConfig, Span, Table
from ciaas.sensorisation.contract import (
    Batch,
    Masked,
    RawReading,
    WriteContext,
    WriteResult,
    WrittenValue,
)
from ciaas.sensorisation.errors import (
    AdapterError,
    BadAddress,
    Malformed,
    RateLimited,
    Rejected,
    Unreachable,
)

# it dumps whole packets at each time-out; what matters reaches us as exceptions
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

_new_reading = RawReading._make  # without the search for defaults: one for each value that is read
_WORD = 0xFFFF
_BUSY_S = 1.0
_REASONS = {
    1: "illegal function: the device does not serve this table",
    2: "illegal data address",
    3: "illegal data value: the device refuses the length of the request",
    4: "device failure",
    7: "negative acknowledge",
    8: "memory parity error",
}
_BUSY = {5: "acknowledge, not ready yet", 6: "device busy"}
_GATEWAY = {10: "gateway path unavailable", 11: "the device behind the gateway does not respond"}


async def connect(config: ModbusConfig) -> ModbusSession:
    """Return an open session.

    Raises:
        Unreachable: nobody listens there.
    """
    client = AsyncModbusTcpClient(
        config.host,
        port=config.port,
        timeout=config.timeout_s,
        retries=0,  # retrying is the runtime's
        reconnect_delay=0,  # so is connecting again
    )
    try:
        if not await client.connect():
            raise Unreachable(f"cannot connect to {config.host}:{config.port}")
    except BaseException:  # a cancelled connect too must not leave its socket
        client.close()
        raise
    return ModbusSession(client)


class ModbusSession:
    """One TCP connection. After Unreachable or Malformed it is of no use: close it."""

    def __init__(self, client: AsyncModbusTcpClient) -> None:
        self._client = client
        self._maskless: set[int] = set()
        """Units that have said that they have no mask write."""
        self._reads = {
            Table.COIL: (1, client.read_coils),
            Table.DISCRETE: (2, client.read_discrete_inputs),
            Table.HOLDING: (3, client.read_holding_registers),
            Table.INPUT: (4, client.read_input_registers),
        }

    async def read(self, batch: Batch) -> Sequence[RawReading]:
        """Send the batch's one request and cut the answer into its targets."""
        span: Span = batch.request
        answer = await self._request(span)
        values = answer.bits if span.table.bits else answer.registers
        if len(values) < span.length:
            raise Malformed(f"{len(values)} values came instead of {span.length}")
        if span.table.bits:
            return [
                RawReading(target, bool(values[target.address.number - span.start]))
                for target in batch.targets
            ]
        octets = struct.pack(f">{span.length}H", *values[: span.length])
        return [
            _new_reading((target, octets[first:end], None, None, False))
            for target, (first, end) in zip(batch.targets, span.cuts, strict=True)
        ]

    async def write(self, batch: Batch, value: WrittenValue, context: WriteContext) -> WriteResult:
        """Set one coil, bits of a register, one, or several; the device's echo is its yes."""
        [target] = batch.targets
        span: Span = batch.request
        number = target.address.number
        if isinstance(value, Masked):
            return await self._write_bits(span, number, value)
        if span.table is Table.COIL:
            assert isinstance(value, bool)
            function, call = 5, self._client.write_coil(number, value, device_id=span.unit)
        else:
            assert isinstance(value, bytes)
            words = list(_words(value))
            if len(words) == 1:
                call = self._client.write_register(number, words[0], device_id=span.unit)
                function = 6
            else:
                call = self._client.write_registers(number, words, device_id=span.unit)
                function = 16
        answer = await self._answer(call, function, span)
        return _echoed(answer, number)

    async def _write_bits(self, span: Span, first: int, bits: Masked) -> WriteResult:
        """Set the bits by one request, or where the device has none for it, by two."""
        words = _words(bits.mask)
        index = next(index for index, word in enumerate(words) if word)
        number, mask, value = first + index, words[index], _words(bits.value)[index]
        client, unit = self._client, span.unit
        one = span._replace(start=number, length=1)
        if unit not in self._maskless:
            call = client.mask_write_register(
                address=number, and_mask=~mask & _WORD, or_mask=value, device_id=unit
            )
            try:
                return _echoed(await self._answer(call, 22, one), number)
            except Rejected as error:
                if error.code != "1":
                    raise
                self._maskless.add(unit)
        if not span.reread:
            raise Rejected(
                "the device has no mask write (function 22): write reread: true in its config "
                "where nothing else changes this register",
                code="1",
            )
        call = client.read_holding_registers(number, count=1, device_id=unit)
        [before] = (await self._answer(call, 3, one)).registers
        call = client.write_register(number, before & ~mask & _WORD | value, device_id=unit)
        return _echoed(await self._answer(call, 6, one), number)

    async def close(self) -> None:
        """Close the socket; nothing to wait for."""
        self._client.close()

    async def _request(self, span: Span) -> ModbusPDU:
        function, call = self._reads[span.table]
        return await self._answer(
            call(span.start, count=span.length, device_id=span.unit), function, span
        )

    async def _answer(self, call: Awaitable[ModbusPDU], function: int, span: Span) -> ModbusPDU:
        try:
            answer = await call
        except ConnectionException as error:
            raise Unreachable("the device closed the connection") from error
        except ModbusException as error:
            # a silent unit leaves the socket "connected": the runtime drops the session
            raise Unreachable(f"unit {span.unit} does not answer") from error
        if answer.isError():
            raise refusal(answer.exception_code, span)
        if answer.function_code != function:
            raise Malformed(f"function {answer.function_code} answers, {function} was asked")
        return answer


def _words(octets: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(octets) // 2}H", octets)


def _echoed(answer: ModbusPDU, number: int) -> WriteResult:
    if answer.address != number:
        raise Malformed(f"address {answer.address} is echoed, {number} was written")
    return WriteResult(True, "echoed")


def refusal(code: int, span: Span) -> AdapterError:
    """Return the error that a Modbus exception code stands for."""
    where = f"unit {span.unit}, {span.table} {span.start} to {span.start + span.length - 1}"
    if code in _BUSY:
        return RateLimited(f"{_BUSY[code]} ({where})", retry_after_s=_BUSY_S)
    if code in _GATEWAY:
        return Unreachable(f"{_GATEWAY[code]} ({where})")
    kind = BadAddress if code == 2 else Rejected
    return kind(f"{_REASONS.get(code, 'refused')} ({where})", code=str(code))
