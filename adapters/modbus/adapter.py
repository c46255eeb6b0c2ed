"""Modbus TCP: reads all four tables, sets coils and holding registers.

Source: MODBUS Application Protocol Specification V1.1b3 and Messaging on TCP/IP V1.0b.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from typing import ClassVar, NamedTuple

from pydantic import Field

from ciaas.sensorisation.contract import (
    WRITTEN,
    Batch,
    Checked,
    Poll,
    ProbeReport,
    Session,
    Target,
)
from ciaas.sensorisation.errors import DriverMissing

REGISTERS_PER_READ_MAX = 125
BITS_PER_READ_MAX = 2_000
_ADDRESSES = 65_536
_BITS_PER_REGISTER = 16


class Table(StrEnum):
    """The four address spaces of a device."""

    COIL = "coil"
    DISCRETE = "discrete"
    HOLDING = "holding"
    INPUT = "input"

    @property
    def bits(self) -> bool:
        """True where one address is one bit, not a register of 16."""
        return self in (Table.COIL, Table.DISCRETE)


class ModbusConfig(Checked):
    """How to reach a device, or several behind one gateway that differ in ``unit``."""

    host: str = Field(min_length=1, max_length=255)
    port: int = Field(default=502, ge=1, le=65_535)
    unit: int = Field(default=1, ge=0, le=255)
    """Unit identifier."""
    timeout_s: float = Field(default=3.0, ge=0.05, le=20.0)
    """A device that stays silent for so long is unreachable."""
    registers_max: int = Field(default=REGISTERS_PER_READ_MAX, ge=1, le=REGISTERS_PER_READ_MAX)
    """Registers in one request; lower it for a device that refuses long reads."""
    gap_max: int = Field(default=8, ge=0, le=REGISTERS_PER_READ_MAX)
    """Unused registers read along rather than spending a request of their own."""
    reread: bool = False
    """Set bits of a register on a device without mask write (function 22) by reading the register
    and writing it back: what the device itself changes in between is undone."""


class ModbusAddress(Checked):
    """Where a point begins. ``register`` counts from 0 as on the wire: 40001 is holding 0.

    In the tables of bits it is the number of the bit.
    """

    table: Table = Table.HOLDING
    number: int = Field(alias="register", ge=0, lt=_ADDRESSES)


class Span(NamedTuple):
    """One read request."""

    unit: int
    table: Table
    start: int
    length: int
    """Registers, or bits."""
    cuts: tuple[tuple[int, int], ...] = ()
    """First byte and the one after the last of each target, in the answer of a read."""
    reread: bool = False


class Modbus(Poll[ModbusConfig, ModbusAddress]):
    """Reads contiguous addresses in one request each: that is the whole performance story."""

    Config: ClassVar[type[Checked]] = ModbusConfig
    Address: ClassVar[type[Checked]] = ModbusAddress
    DEVICE_KEYS: ClassVar[frozenset[str]] = frozenset({"unit", "reread"})

    def plan(self, config: ModbusConfig, targets: Sequence[Target]) -> Sequence[Batch]:
        """Merge targets of one table that lie no more than ``gap_max`` apart."""
        ordered = sorted(targets, key=lambda target: (target.address.table, target.address.number))
        return [
            batch
            for table, group in groupby(ordered, key=lambda target: target.address.table)
            for batch in _merge(config, Table(table), list(group))
        ]

    async def open(self, config: ModbusConfig) -> Session:
        """Connect; pymodbus is imported here, so that enrolling needs no driver."""
        try:
            from adapters.modbus.session import connect
        except ImportError as error:
            raise DriverMissing(
                f"Modbus needs pymodbus ({error}): install borough[modbus] and restart"
            ) from error
        return await connect(config)

    def check_write(self, config: ModbusConfig, target: Target) -> None:
        """Raises ValueError for a table that the protocol only reads."""
        if target.address.table not in (Table.COIL, Table.HOLDING):
            raise ValueError(
                f"table {target.address.table} is only read; coils and holding registers are set"
            )

    async def probe(self, config: ModbusConfig) -> ProbeReport:
        """Try the name, the port, the protocol and the device's identification."""
        from adapters.modbus.probe import probe

        return await probe(self, config)


def extent(target: Target) -> int:
    """Return how many addresses a target covers.

    Raises:
        ValueError: the raw type does not go with the table, or reaches beyond the last address.
    """
    address: ModbusAddress = target.address
    if target.size == WRITTEN:
        raise ValueError("a register holds no text: use a raw type such as u16, i16, f32 or string")
    if address.table.bits != (target.size == 0):
        raise ValueError(
            f"table {address.table} holds single bits: use raw type bit without 'bit'"
            if address.table.bits
            else f"table {address.table} holds registers: give 'bit' (0…15) to raw type bit"
        )
    covered = 1 if address.table.bits else target.size * 8 // _BITS_PER_REGISTER
    if address.number + covered > _ADDRESSES:
        raise ValueError(f"reaches beyond {address.table} {_ADDRESSES - 1}, the last address")
    return covered


def _merge(config: ModbusConfig, table: Table, targets: list[Target]) -> Iterator[Batch]:
    step = _BITS_PER_REGISTER if table.bits else 1
    longest = min(config.registers_max * step, BITS_PER_READ_MAX)
    run: list[Target] = []
    start = end = 0
    for target in targets:
        first, last = target.address.number, target.address.number + extent(target)
        if last - first > longest:
            raise ValueError(f"takes {last - first} registers; a request reads {longest} at most")
        if run and (first > end + config.gap_max * step or max(end, last) - start > longest):
            yield _batch(config, table, run, start, end)
            run = []
        if not run:
            start, end = first, last
        run.append(target)
        end = max(end, last)
    if run:
        yield _batch(config, table, run, start, end)


def _batch(config: ModbusConfig, table: Table, run: list[Target], start: int, end: int) -> Batch:
    firsts = [2 * (target.address.number - start) for target in run]
    cuts = tuple(
        (first, first + 2 * extent(target)) for first, target in zip(firsts, run, strict=True)
    )
    return Batch(tuple(run), Span(config.unit, table, start, end - start, cuts, config.reread))
