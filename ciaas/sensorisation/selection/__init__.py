"""Selectors: where a value lies in a document, and when it was measured."""
