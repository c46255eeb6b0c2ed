"""What one user may see of the index, asked of the rights engine at each request."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ciaas.management.directory.index import Column, Index
from ciaas.management.directory.matching import Mask, Rows
from security.aaa.levels import Level
from security.aaa.rights import Rights
from security.aaa.subjects import Who

POINTS_WORTH_AN_ENDPOINT = 4
"""Deciding on an endpoint as a whole takes about as long as deciding on so many points."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One user's view; use it with the index's lock held, and for one request only.

    A project or an endpoint that the user holds as a whole, or nothing of, is decided at once; only
    where grants below it differ is each path asked for.
    """

    index: Index
    rights: Rights
    user: Who

    def endpoints(self, codes: Rows, need: Level) -> Mask:
        """Return which endpoints the user holds a level on.

        For ACCESS anything below counts too: who may know a point may know its endpoint.
        """
        held, asked = self._by_project(self.index.project_of[codes], need)
        paths = self.index.endpoint_levels(codes[asked])
        levels = self.rights.visible(self.user, paths, need)
        if need is Level.ACCESS:
            if self.rights.counts_sets(self.user):
                levels |= self._with_points(codes[asked[~levels]], need)[codes[asked]]
            for row in np.flatnonzero(~levels).tolist():
                levels[row] = self.rights.under(self.user, paths[row], need)
        held[asked] = levels
        return held

    def points(self, rows: Rows, need: Level) -> Mask:
        """Return on which points the user holds a level."""
        endpoints = self.index.points.endpoint[rows]
        held, asked = self._by_project(self.index.project_of[endpoints], need)
        codes = np.unique(endpoints[asked])
        # Who is in a set is told point by point at once, and for an endpoint by its points anyway.
        worth = len(asked) >= POINTS_WORTH_AN_ENDPOINT * len(codes)
        if worth and not self.rights.counts_sets(self.user):
            whole, part = self._by_endpoint(codes, need)
            held[asked] = whole[endpoints[asked]]
            asked = asked[part[endpoints[asked]]]
        paths = self.index.point_levels(rows[asked])
        held[asked] = self.rights.visible(self.user, paths, need, rows[asked])
        return held

    def _with_points(self, codes: Rows, need: Level) -> Mask:
        """Return by code which of these endpoints have a point that the user holds a level on."""
        wanted = np.zeros(len(self.index.endpoints), np.bool_)
        wanted[codes] = True
        rows = np.flatnonzero(wanted[self.index.points.endpoint] & self.index.points.alive)
        found = np.zeros(len(wanted), np.bool_)
        found[self.index.points.endpoint[rows[self.points(rows, need)]]] = True
        return found

    def _by_endpoint(self, codes: Column, need: Level) -> tuple[Mask, Mask]:
        """Return by code which of these endpoints are held as a whole, and which in part."""
        whole = np.zeros(len(self.index.endpoints), np.bool_)
        part = whole.copy()
        for code, path in zip(codes.tolist(), self.index.endpoint_levels(codes), strict=True):
            if self.rights.floor(self.user, path).includes(need):
                whole[code] = True
            else:
                part[code] = self.rights.under(self.user, path, need)
        return whole, part

    def _by_project(self, projects: Column, need: Level) -> tuple[Mask, Rows]:
        """Return which rows are held for sure, and the positions of those to be asked for."""
        known = np.unique(self.index.project_of)
        whole = np.zeros(int(known[-1]) + 1, np.bool_)
        part = whole.copy()
        for project in known.tolist():
            path = (str(project),)
            if self.rights.floor(self.user, path).includes(need):
                whole[project] = True
            else:
                part[project] = self.rights.under(self.user, path, need)
        return whole[projects], np.flatnonzero(part[projects])
