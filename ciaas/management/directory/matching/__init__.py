"""Filters tried on columns."""

from ciaas.management.directory.matching.condition import Condition, Mask, Rows
from ciaas.management.directory.matching.facets import Moment, condition, of_samples
from ciaas.management.directory.matching.newest import NEVER, newest

__all__ = ["NEVER", "Condition", "Mask", "Moment", "Rows", "condition", "newest", "of_samples"]
