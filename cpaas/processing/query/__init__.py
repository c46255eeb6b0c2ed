"""Structured queries: a document, what it selects, its windows, and the table it answers."""
