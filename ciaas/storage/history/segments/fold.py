"""The newest sample of each point, computed by the database."""

from __future__ import annotations

from collections.abc import Sequence
from string import Template

_NEWEST = Template(
    """SELECT * FROM ($rows) QUALIFY row_number() OVER (
        PARTITION BY point_id ORDER BY observed_at DESC, revision DESC, commit_no DESC) = 1"""
)


def newest_of(tails: Sequence[int]) -> str:
    """Return a query for the newest row of each point in ``current`` and some sample tables."""
    tables = ("TABLE current", *(f"TABLE sample_{number}" for number in tails))
    return _NEWEST.substitute(rows=" UNION ALL ".join(tables))
