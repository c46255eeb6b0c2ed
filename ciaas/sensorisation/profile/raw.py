"""What lies at an address, before any transform: type, size and order of the bytes."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from ciaas.limits import STRING_BYTES_MAX
from ciaas.sensorisation.contract import WRITTEN, Checked


class RawType(StrEnum):
    """Types that devices keep in registers; the number is the width in bits.

    The last three are for values as they stand in a document.
    """

    BIT = "bit"
    U16 = "u16"
    I16 = "i16"
    U32 = "u32"
    I32 = "i32"
    U64 = "u64"
    I64 = "i64"
    F32 = "f32"
    F64 = "f64"
    STRING = "string"
    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"

    @property
    def integer(self) -> bool:
        """True for whole numbers."""
        return self.value[0] in "ui"

    @property
    def written(self) -> bool:
        """True for a value as it stands in a document, false for bytes."""
        return self in (RawType.NUMBER, RawType.TEXT, RawType.BOOLEAN)


_SIZES = {"16": 2, "32": 4, "64": 8}
_REGISTER_BYTES = 2


class Raw(Checked):
    """The raw type of a point.

    ``word_order`` is the order of 16-bit registers, ``byte_order`` that of the two bytes in each;
    both are big on a device that keeps to the Modbus specification.
    """

    type: RawType
    word_order: Literal["big", "little"] = "big"
    byte_order: Literal["big", "little"] = "big"
    bit: int | None = Field(default=None, ge=0, le=15)
    """Bit of a register, 0 the lowest; None where the address itself is a single bit."""
    mask: int | None = Field(default=None, gt=0)
    """Bits of an unsigned number that count, shifted down to the lowest of them."""
    length: int | None = Field(default=None, gt=0, le=STRING_BYTES_MAX)
    """Bytes of a string."""
    decimal: Literal[".", ","] = "."
    """What stands before the decimals of a number that is written as text, such as ``23,4 °C``; the
    other one, a blank or an apostrophe may part its thousands."""
    words: tuple[str, str] | None = None
    """The words of a boolean for false and for true, such as OFF and ON."""

    @model_validator(mode="after")
    def _agree(self) -> Raw:
        if self.bit is not None and self.type is not RawType.BIT:
            raise ValueError(f"'bit' goes with type bit; for bits of a {self.type} use 'mask'")
        if (self.length is None) == (self.type is RawType.STRING):
            raise ValueError("'length' (in bytes) is needed for type string and no other")
        if self.mask is not None:
            if not self.type.value.startswith("u"):
                raise ValueError("'mask' goes with the unsigned types u16, u32 and u64")
            if self.mask >= 1 << (8 * self.size):
                raise ValueError(f"'mask' has more bits than a {self.type}")
        if self.decimal != "." and self.type is not RawType.NUMBER:
            raise ValueError("'decimal' goes with type number")
        if self.words is not None and self.type is not RawType.BOOLEAN:
            raise ValueError("'words' goes with type boolean")
        if self.words is not None and self.words[0] == self.words[1]:
            raise ValueError("'words' has the same word for false and for true")
        return self

    @property
    def size(self) -> int:
        """Bytes to read; 0 for an address that is a single bit, WRITTEN where there are none."""
        if self.type.written:
            return WRITTEN
        if self.type is RawType.BIT:
            return 0 if self.bit is None else _REGISTER_BYTES
        if self.length is not None:
            return self.length + self.length % _REGISTER_BYTES
        return _SIZES[self.type.value[1:]]
