"""State intervals of resources."""
