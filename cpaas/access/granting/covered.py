"""What a grant covers, as the API writes it: a prefix, a key, or a set of points or endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from ciaas.kernel.address import parse_prefix
from ciaas.limits import SET_NAME_CHARS_MAX
from ciaas.ports import Missing
from cpaas.access.caller import Caller
from cpaas.access.granting.reserved import KEY, RECORD
from cpaas.access.problems import Problem, not_found
from cpaas.access.routes.assurance.record_rights import granted_record
from cpaas.access.routes.security.key_rights import granted_key
from security.aaa.extents import Extent, Path, SetExtent, SetKind
from security.aaa.levels import Level

_PROJECT = "project:"


def extent_granted(caller: Caller, text: str) -> Extent:
    """Return what a text covers, when the caller holds GRANT there: for a set, on its project.

    Raises:
        AddressError: it is no prefix.
        Problem: 404 when it is not the caller's to know, 403 below GRANT.
    """
    kind, colon, rest = text.partition(":")
    if colon and kind in SetKind.__members__.values():
        return _set_granted(caller, SetKind(kind), rest)
    return path_granted(caller, text)


def path_granted(caller: Caller, prefix: str) -> Path:
    """Return the path of a prefix on which the caller holds GRANT; raises as `extent_granted`."""
    if prefix.startswith(_PROJECT):
        project = caller.project(prefix.removeprefix(_PROJECT), Level.GRANT)
        return (str(project.id),)
    if prefix.startswith(KEY):
        return granted_key(caller, prefix.removeprefix(KEY))
    if prefix.startswith(RECORD):
        return granted_record(caller, prefix.removeprefix(RECORD))
    levels = parse_prefix(prefix)
    endpoint = caller.owner_of(levels[0])
    caller.need(endpoint, levels, Level.GRANT)
    return (str(endpoint.project), *levels)


def base_of(extent: Extent) -> Path:
    """Return the path on which somebody has to hold what is granted on an extent."""
    return (extent.project,) if isinstance(extent, SetExtent) else extent


class Names:
    """How the API writes what the engine knows by number; as of one moment."""

    def __init__(self, caller: Caller) -> None:
        city = caller.city
        self.projects: Mapping[str, str] = {str(p.id): p.name for p in city.registry.projects()}
        self.groups: Mapping[int, str] = {g.id: g.name for g in city.assurance.groups.groups()}
        self._selections = city.entitlements.sets.selection_names()
        self._endpoint_groups = city.entitlements.sets.endpoint_group_names()

    def extent(self, extent: Extent) -> str:
        """Return an extent as `extent_granted` reads it."""
        if isinstance(extent, SetExtent):
            names = {
                SetKind.SELECTION: self._selections,
                SetKind.ENDPOINTS: self._endpoint_groups,
            }.get(extent.kind)
            name = extent.name if names is None else names.get(int(extent.name), extent.name)
            return f"{extent.kind}:{self.projects[extent.project]}/{name}"
        return prefix_of(extent, self.projects)


def prefix_of(path: Path, projects: Mapping[str, str]) -> str:
    """Return a granted path as the API writes it; projects are named by their number."""
    if not path:
        return "#"
    if len(path) == 1:
        return _PROJECT + projects[path[0]]
    if path[1].startswith(KEY):
        return f"{KEY}{projects[path[0]]}/{path[1].removeprefix(KEY)}"
    if path[1] == RECORD:
        return RECORD + projects[path[0]]
    return "/".join((*path[1:], "#"))


def _set_granted(caller: Caller, kind: SetKind, rest: str) -> SetExtent:
    project, slash, name = rest.partition("/")
    if not slash or not name or len(name) > SET_NAME_CHARS_MAX:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"write {kind}:<project>/<name>, such as {kind}:city/a"
        )
    owner = caller.project(project, Level.GRANT)
    sets = caller.city.entitlements.sets
    try:
        if kind is SetKind.SELECTION:
            name = str(sets.selection(owner.id, name).id)
        elif kind is SetKind.ENDPOINTS:
            name = str(sets.endpoint_group(owner.id, name).id)
    except Missing:
        raise not_found() from None
    return SetExtent(kind, str(owner.id), name)
