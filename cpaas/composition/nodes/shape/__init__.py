"""Nodes that read and reshape values."""
