"""Composition root: settings, roles, command line, demo and benches."""
