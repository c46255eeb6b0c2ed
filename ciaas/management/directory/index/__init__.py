"""Points and endpoints in columns, so that a filter is a handful of array operations."""

from ciaas.management.directory.index.columns import Column, Index, Table

__all__ = ["Column", "Index", "Table"]
