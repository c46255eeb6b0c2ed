"""Mashups: drafts, versions, identities."""
