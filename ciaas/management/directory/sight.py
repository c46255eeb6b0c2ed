"""What one user may see of the index, asked of the rights engine at each request."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ciaas.management.directory.index import Index
from ciaas.management.directory.matching import Mask, Rows
from security.aaa.levels import Level
from security.aaa.rights import Rights


@dataclass(frozen=True, slots=True)
class Sight:
    """One user's view; use it with the index's lock held, and for one request only."""

    index: Index
    rights: Rights
    user: int

    def projects(self) -> Mask:
        """Return by number which projects hold anything that the user may know."""
        column = self.index.project_of
        seen = np.zeros(int(column.max(initial=0)) + 1, np.bool_)
        for project in np.unique(column).tolist():
            seen[project] = self.rights.under(self.user, (str(project),), Level.ACCESS)
        return seen

    def endpoints(self, codes: Rows, need: Level) -> Mask:
        """Return which endpoints the user holds a level on.

        For ACCESS anything below counts too: who may know a point may know its endpoint.
        """
        held = self.projects()[self.index.project_of[codes]]
        inside = codes[held]
        paths = self.index.endpoint_levels(inside)
        levels = self.rights.visible(self.user, paths, need)
        if need is Level.ACCESS:
            for row in np.flatnonzero(~levels).tolist():
                levels[row] = self.rights.under(self.user, paths[row], need)
        held[held] = levels
        return held

    def points(self, rows: Rows, need: Level) -> Mask:
        """Return on which points the user holds a level."""
        held = self.projects()[self.index.project_of[self.index.points.endpoint[rows]]]
        paths = self.index.point_levels(rows[held])
        held[held] = self.rights.visible(self.user, paths, need)
        return held
