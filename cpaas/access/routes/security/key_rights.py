"""Who may do what with a named key.

A key is used by who holds a grant on the key itself, or owns the project: what is granted on a
project for its data gives nothing on its keys.
"""

from __future__ import annotations

from http import HTTPStatus

from cpaas.access.caller import Caller
from cpaas.access.problems import Problem, not_found
from security.aaa.levels import Level
from security.encryption.named.ports import NamedKey

KEY = "key:"
"""Begins the second level of a key's path, where an endpoint's UUID stands else."""


def key_path(project: int, name: str) -> tuple[str, ...]:
    """Return the path on which a key is granted."""
    return (str(project), KEY + name)


def key_level(caller: Caller, project: int, name: str) -> Level:
    """Return what the caller may do with a key: by a grant on it, or as owner of the project."""
    path = key_path(project, name)
    level = caller.level(project, path[1:])
    if level is Level.DENY or caller.level(project) is Level.OWN:
        return level
    verdict = caller.city.rights.why(caller.party, path)
    granted = any(grant.path == path and grant.in_force for grant in verdict.applies)
    if granted:
        caller.note_deciders([path])
    return level if granted else Level.DENY


def known_keys(caller: Caller, name: str, project: str | None) -> list[tuple[NamedKey, Level]]:
    """Return the keys of a name that the caller may know, with the caller's level on each.

    Args:
        caller: Who asks.
        name: Of the keys.
        project: Name of the project that they are in; None of any.
    """
    projects = {p.id: p.name for p in caller.projects(Level.ACCESS)}
    return [
        (key, level)
        for key in caller.city.keys.named.named(name)
        if project in (None, projects.get(key.project))
        and (level := key_level(caller, key.project, key.name)) >= Level.BROWSE
    ]


def granted_key(caller: Caller, text: str) -> tuple[str, ...]:
    """Return the path of ``<project>/<key>`` on which the caller holds GRANT.

    Raises:
        Problem: 404 when it is not the caller's to know, 403 below GRANT.
    """
    project, _, name = text.partition("/")
    found = known_keys(caller, name, project)
    if not found:
        raise not_found()
    key, level = found[0]
    if level < Level.GRANT:
        raise Problem(
            HTTPStatus.FORBIDDEN, f"this needs the level GRANT on the key {name}; ask its owner"
        )
    return key_path(key.project, key.name)
