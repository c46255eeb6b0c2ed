"""A registry's worth of grants, and what is asked of it."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from borough.roles.rights_feed import RightsFeed
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.model import Attribute, Constraint, EndpointModel, Node, Thing, ValueType
from ciaas.management.directory.index import Index
from ciaas.management.sets.membership import Membership
from ciaas.storage.registry import Registry, migrate, open_registry
from security.aaa.extents import SetExtent, SetKind
from security.aaa.levels import Level
from security.aaa.rights import Path, Rights
from security.aaa.subjects import user_subject
from security.ports import Permit, PermitChanges

_CLASSES = 10
_SEED = 4


class Town(NamedTuple):
    """An engine, and questions for it."""

    rights: Rights
    questions: Sequence[tuple[int, Path]]
    points: Sequence[Path]
    users: int
    numbers: NDArray[np.int64] | None = None
    """Of the points, where they are in sets."""


def town_of_sets(town: Town, endpoints: int, points: int, checks: int) -> Town:
    """Add points that are reached by sets alone, and return the town with questions about them.

    Each user gets two classes, two selections and an endpoint group, one of them denied, beside
    what the user holds already; a real registry, catalogue and index tell who is in them.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = FilePath(folder) / "registry.sqlite"
        migrate(path)
        with open_registry(path) as registry:
            extents = _settle(registry, endpoints, max(1, points // endpoints))
            catalogue = Catalogue(registry.resources)
            index = Index(catalogue)
            membership: Membership = RightsFeed(registry).tell_sets(index, catalogue)
            index.refresh()
    town.rights.bind(membership)
    draw = random.Random(_SEED)  # noqa: S311 - the same grants at each run
    levels = [Level.DENY, Level.DESCRIBE, Level.READ, Level.WRITE]
    permits = [
        Permit(5 * user + place, user_subject(user), extent, draw.choice(levels))
        for user in range(town.users)
        for place, extent in enumerate(draw.sample(extents, 5))
    ]
    version = town.rights.version + 1
    town.rights.apply(version, [], [], permits=PermitChanges(version, permits, []))
    numbers = np.flatnonzero(index.points.alive)[:points]
    paths = index.point_levels(numbers)
    questions = [(draw.randrange(town.users), draw.choice(paths)) for _ in range(checks)]
    return Town(town.rights, questions, paths, town.users, numbers.astype(np.int64))


def _settle(registry: Registry, endpoints: int, each: int) -> list[SetExtent]:
    """Make a project with endpoints of so many points each; returns sets of them."""
    project = registry.resources.create_project("town").id
    author = registry.accounts.add_user("author", None, True).id
    attribute = Attribute(Constraint.MEASURE, ValueType.NUMBER)
    things = {
        f"thing{place}": Thing(
            f"Class{place}",
            attributes={f"value{n}": attribute for n in range(place, each, _CLASSES)},
        )
        for place in range(min(each, _CLASSES))
    }
    model = EndpointModel(nodes={"node": Node(("Town",), things)})
    group = registry.sets.add_endpoint_group(project, "half").id
    for number in range(endpoints):
        made = registry.resources.create_endpoint(project, f"Endpoint {number}", {})
        registry.resources.declare_model(made.uuid, model)
        if number % 2:
            registry.sets.add_endpoint(group, made.uuid)
    extents = [
        SetExtent(SetKind.CLASS, str(project), f"Class{place}") for place in range(len(things))
    ]
    for place in range(_CLASSES):
        wanted = {"text": [f"value{place}"]}
        saved = registry.sets.put_selection(project, f"s{place}", wanted, author, None)
        extents.append(SetExtent(SetKind.SELECTION, str(project), str(saved.id)))
    return [*extents, SetExtent(SetKind.ENDPOINTS, str(project), str(group))]
