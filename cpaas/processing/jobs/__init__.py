"""Scheduled queries: document, schedule, runs."""
