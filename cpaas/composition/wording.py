"""How numbers, times and lists are said in a mashup's sentences."""

from __future__ import annotations

from collections.abc import Sequence

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def number(value: float) -> str:
    """Return a number without needless digits."""
    whole = int(value) if abs(value) < 1e15 else None
    return str(whole) if whole == value else repr(float(value))


def duration(seconds: float) -> str:
    """Return seconds in the largest unit that says them as a whole number."""
    for size, name in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{number(seconds / size)} {name}"
    return f"{number(seconds)} s"


def measured(value: float, unit: str | None) -> str:
    """Return a number with its unit, when there is one."""
    return f"{number(value)} {unit}" if unit else number(value)


def listed(parts: Sequence[str], last: str = "and") -> str:
    """Return ``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def counted(count: int, noun: str) -> str:
    """Return ``1 point`` or ``7 points``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
