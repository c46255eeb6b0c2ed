"""Who may audit a project: read its part of the record.

It is a right of its own, held by a grant on the record itself or by who owns the project: what is
granted on a project for its data gives nothing on its record, and an auditor reads no data.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

from ciaas.management.monitoring.platform_points import PROJECT as PLATFORM_PROJECT
from ciaas.ports import Project
from cpaas.access.caller import Caller
from cpaas.access.granting.reserved import RECORD, level_on
from cpaas.access.problems import Problem, not_found
from security.aaa.chain import PLATFORM
from security.aaa.levels import Level


def record_path(project: int) -> tuple[str, ...]:
    """Return the path on which the record of a project is granted."""
    return (str(project), RECORD)


def may_audit(caller: Caller, project: Project) -> bool:
    """Tell whether the caller may read the record of a project: the platform's is one too."""
    return level_on(caller, record_path(project.id)).includes(Level.READ)


class Audited(NamedTuple):
    """Whose part of the record is read."""

    chain: int
    name: str
    project: int | None
    """None for the platform while it has no project of its own."""


def audited(caller: Caller, name: str | None) -> Audited:
    """Return the project named, or the only one that the caller may audit.

    The platform's own is meant only by its name, ``platform``.

    Raises:
        Problem: 404 for a name that is not the caller's to audit, 403 without any, 422 when a name
            is needed.
    """
    found = [one for one in caller.city.registry.projects() if may_audit(caller, one)]
    if name is not None:
        found = [one for one in found if one.name == name]
        if not found and name == PLATFORM_PROJECT and caller.principal.user.admin:
            return Audited(PLATFORM, name, None)
        if not found:
            raise not_found()
    else:
        found = [one for one in found if one.name != PLATFORM_PROJECT]
    if not found:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "this needs the level READ on the record of a project: ask its owner for a grant on "
            "record:<project>",
        )
    if len(found) > 1:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "name the project with ?project=…")
    caller.concerned.add(found[0].id)
    chain = caller.city.assurance.chains.chain_of_project(found[0].id)
    return Audited(chain, found[0].name, found[0].id)


def granted_record(caller: Caller, name: str) -> tuple[str, ...]:
    """Return the path of a project's record, which its owner alone may grant.

    Raises:
        Problem: 404 when the project is not the caller's to know, 403 below OWN.
    """
    return record_path(caller.project(name, Level.OWN).id)
