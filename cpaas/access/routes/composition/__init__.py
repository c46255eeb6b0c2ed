"""Mashups."""
