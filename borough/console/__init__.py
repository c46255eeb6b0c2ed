"""Builds the web console from its sources: beside the running platform, never before it."""
