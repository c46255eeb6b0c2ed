"""Who may do what with a named key.

A key is used by who holds a grant on the key itself, or owns the project: what is granted on a
project for its data gives nothing on its keys.
"""

from __future__ import annotations

from http import HTTPStatus

from cpaas.access.caller import Caller
from cpaas.access.problems import Problem, not_found
from security.aaa.levels import Level
from security.aaa.rights import Path, Rights, Verdict
from security.aaa.subjects import Who
from security.encryption.named.ports import NamedKey

KEY = "key:"
"""Begins the second level of a key's path, where an endpoint's UUID stands else."""


def key_path(project: int, name: str) -> tuple[str, ...]:
    """Return the path on which a key is granted."""
    return (str(project), KEY + name)


def is_key(path: Path) -> bool:
    """Tell whether a path is that of a key."""
    return len(path) > 1 and path[1].startswith(KEY)


def verdict_on(rights: Rights, who: Who, path: Path) -> Verdict:
    """Return what somebody may do on a path and why, with what is particular to keys.

    On a key a wider grant counts only as OWN; any other is told as overruled.
    """
    verdict = rights.why(who, path)
    if not is_key(path) or verdict.level is Level.OWN:
        return verdict
    if any(grant.path == path and grant.in_force for grant in verdict.applies):
        return verdict
    overruled = [grant._replace(decides=False) for grant in verdict.applies]
    return Verdict(Level.DENY, verdict.admin, overruled)


def level_on(caller: Caller, path: Path) -> Level:
    """Return what the caller may do on a path, be it a key's or another's."""
    if is_key(path):
        return verdict_on(caller.city.rights, caller.party, path).level
    return caller.city.rights.level(caller.party, path)


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
