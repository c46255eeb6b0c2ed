"""Tables as columns of plain Python values, and as pandas frames where pandas is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


VERDICTS = ("good", "uncertain", "bad")
"""From best to worst."""


@dataclass(frozen=True, slots=True)
class Table:
    """Equally long columns in order. Times are RFC 3339 texts with an offset."""

    columns: Mapping[str, Sequence[Any]]
    zone: str = "UTC"
    """IANA name of the zone that the times are written in."""
    truncated: bool = False
    """True when there are more rows than were asked for."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield each row by the names of its columns."""
        for row in zip(*self.columns.values(), strict=True):
            yield dict(zip(self.columns, row, strict=True))

    def to_pandas(self) -> pd.DataFrame:
        """Return a frame; the column ``time`` becomes an index in the table's zone.

        A column ``verdict`` becomes an ordered category, best first, so that
        ``frame[frame["verdict"] <= "uncertain"]`` leaves out what is bad.

        Raises:
            ModuleNotFoundError: pandas is not installed; install ``borough-client[pandas]``.
        """
        try:
            import pandas as pd
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "tables become frames by pandas: pip install 'borough-client[pandas]'"
            ) from error
        frame = pd.DataFrame({name: list(column) for name, column in self.columns.items()})
        if "verdict" in frame:
            frame["verdict"] = pd.Categorical(frame["verdict"], VERDICTS, ordered=True)
        if "time" in frame:
            times = pd.to_datetime(frame.pop("time"), utc=True, format="ISO8601")
            frame.index = pd.DatetimeIndex(times).tz_convert(self.zone).rename("time")
        return frame
