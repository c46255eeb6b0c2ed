"""Setting points, and what became of it."""
