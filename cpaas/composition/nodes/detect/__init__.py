"""Nodes that notice something."""
