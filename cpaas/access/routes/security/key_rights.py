"""Who may do what with a named key.

A key is used by who holds a grant on the key itself, or owns the project: what is granted on a
project for its data gives nothing on its keys.
"""

from __future__ import annotations

from http import HTTPStatus

from cpaas.access.caller import Caller
from cpaas.access.granting.reserved import KEY, verdict_on
from cpaas.access.problems import Problem, not_found
from security.aaa.levels import Level
from security.aaa.rights import Path
from security.encryption.named.ports import NamedKey


def key_path(project: int, name: str) -> tuple[str, ...]:
    """Return the path on which a key is granted."""
    return (str(project), KEY + name)


def key_level(caller: Caller, project: int, name: str) -> Level:
    """Return what the caller may do with a key: by a grant on it, or as owner of the project."""
    path = key_path(project, name)
    level = verdict_on(caller.city.rights, caller.party, path).level
    if level is not Level.DENY:
        caller.note_deciders([path])
    return level


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


def granted_key(caller: Caller, text: str, need: Level = Level.GRANT) -> Path:
    """Return the path of ``<project>/<key>`` on which the caller holds a level.

    Raises:
        Problem: 404 when it is not the caller's to know, 403 below ``need``.
    """
    project, _, name = text.partition("/")
    found = known_keys(caller, name, project)
    if not found:
        raise not_found()
    key, level = found[0]
    if not level.includes(need):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"this needs the level {need.name} on the key {name}; ask its owner",
        )
    return key_path(key.project, key.name)
