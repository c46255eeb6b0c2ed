"""Declaring an endpoint's model: the model kept, its points brought in line, in one transaction.

An endpoint's present points are exactly the attributes of its model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa

from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.model import Constraint, EndpointModel, ValueType
from ciaas.limits import POINTS_PER_ENDPOINT_MAX
from ciaas.ports import Conflict, Missing, NewPoint, Point
from ciaas.storage.registry.database import Change
from ciaas.storage.registry.model import decode_model, encode_model, flatten
from ciaas.storage.registry.schema import endpoint, point

POINTS = sa.select(
    point.c.id,
    point.c.address,
    point.c.constraint,
    point.c.type,
    point.c.conforms,
    point.c.removed,
)
"""The columns of a `Point`."""

PointRow: TypeAlias = sa.Row[int, str, str, str, str | None, bool]


@dataclass(frozen=True, slots=True)
class Declaration:
    """What an endpoint has declared so far."""

    change: Change
    number: int
    uuid: EndpointId
    text: str | None
    """The model as kept; None when nothing was declared."""

    @staticmethod
    def load(change: Change, uuid: EndpointId) -> Declaration:
        """Raises Missing for an unknown or deleted endpoint."""
        row = change.connection.execute(
            sa.select(endpoint.c.id, endpoint.c.model).where(
                endpoint.c.uuid == uuid, endpoint.c.deleted_at.is_(None)
            )
        ).one_or_none()
        if row is None:
            raise Missing(f"there is no endpoint {uuid}: create it first")
        return Declaration(change, row.id, uuid, row.model)

    def model(self) -> EndpointModel:
        """Return the model, an empty one when nothing was declared."""
        return EndpointModel() if self.text is None else decode_model(self.text)

    def replace(self, model: EndpointModel) -> Sequence[Point]:
        """Keep another model; returns the points added, changed or removed, ordered by address.

        Raises:
            Conflict: the model or the number of points that ever were is beyond its bound.
        """
        text = encode_model(self.uuid, model)
        if text == self.text:
            return []
        declared = {new.address: new for new in flatten(self.uuid, model)}
        known = self._known()
        total = len(declared.keys() | known.keys())
        if total > POINTS_PER_ENDPOINT_MAX:
            raise Conflict(
                f"endpoint {self.uuid} would have {total:,} points, those it once had included, "
                f"at most {POINTS_PER_ENDPOINT_MAX:,} are kept: split it into several endpoints"
            )
        added = [new for address, new in declared.items() if address not in known]
        altered = [
            (known[address].id, new)
            for address, new in declared.items()
            if address in known and _differs(known[address], new)
        ]
        removed = [
            old.id for address, old in known.items() if address not in declared and not old.removed
        ]
        back = sum(known[address].removed for address in declared if address in known)
        if (more := len(added) + back - len(removed)) > 0:
            self._check_quota(more)
        return self._write(text, added, altered, removed)

    def _check_quota(self, more: int) -> None:
        """Raise QuotaReached when the endpoint's project may not have so many points more."""
        connection = self.change.connection
        project = connection.execute(
            sa.select(endpoint.c.project).where(endpoint.c.id == self.number)
        ).scalar_one()
        there = (
            sa.select(sa.func.count())
            .select_from(point.join(endpoint, point.c.endpoint == endpoint.c.id))
            .where(endpoint.c.project == project, point.c.removed.is_(False))
        )
        self.change.check_quota(project, "points", there, more)

    def _write(
        self,
        text: str,
        added: Sequence[NewPoint],
        altered: Sequence[tuple[int, NewPoint]],
        removed: Sequence[int],
    ) -> Sequence[Point]:
        execute, stamp = self.change.connection.execute, self.change.stamp()
        execute(endpoint.update().filter_by(id=self.number).values(model=text, version=stamp))
        mark = {"removed": False, "version": stamp, "endpoint": self.number}
        by_id = point.update().where(point.c.id == sa.bindparam("number"))
        if added:
            execute(point.insert(), [mark | {"born": stamp} | _columns(new) for new in added])
        if altered:
            execute(by_id, [mark | _columns(new) | {"number": number} for number, new in altered])
        if removed:
            execute(
                by_id.values(removed=True, version=stamp),
                [{"number": number} for number in removed],
            )
        rows = POINTS.where(point.c.endpoint == self.number, point.c.version == stamp)
        return [to_point(row) for row in execute(rows.order_by(point.c.address))]

    def _known(self) -> dict[PointAddress, Point]:
        rows = self.change.connection.execute(POINTS.where(below((self.uuid,))))
        return {known.address: known for known in map(to_point, rows)}


def below(prefix: Sequence[str]) -> sa.ColumnElement[bool]:
    """Return the condition for the points at or below a prefix, served by the index on addresses.

    Every address below ends the prefix with ``/``, whose successor in the order of bytes is ``0``.
    """
    if not prefix:
        return sa.true()
    text = "/".join(prefix)
    return sa.or_(
        point.c.address == text, sa.and_(point.c.address > f"{text}/", point.c.address < f"{text}0")
    )


def to_point(row: PointRow) -> Point:
    """Return the point of a row of `POINTS`."""
    number, address, constraint, value_type, conforms, removed = row
    return Point(
        number,
        PointAddress(address),
        _CONSTRAINTS[constraint],
        _VALUE_TYPES[value_type],
        conforms,
        removed,
    )


# A plain look-up costs a fifth of calling the enumeration; a full load does it for every point.
_CONSTRAINTS = {str(member): member for member in Constraint}
_VALUE_TYPES = {str(member): member for member in ValueType}


def _differs(old: Point, new: NewPoint) -> bool:
    return old.removed or (old.constraint, old.type, old.conforms) != (
        new.constraint,
        new.type,
        new.conforms,
    )


def _columns(new: NewPoint) -> dict[str, Any]:
    return {
        "address": new.address,
        "constraint": new.constraint,
        "type": new.type,
        "conforms": new.conforms,
    }
