"""Structured queries, objects, jobs."""
