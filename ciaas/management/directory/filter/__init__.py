"""The one filter language of search, live feed, subscriptions and query selections."""

from ciaas.management.directory.filter.area import Box, Near
from ciaas.management.directory.filter.comparison import Comparison
from ciaas.management.directory.filter.document import Filter, FilterError, State
from ciaas.management.directory.filter.parameters import FilterParameters

__all__ = ["Box", "Comparison", "Filter", "FilterError", "FilterParameters", "Near", "State"]
