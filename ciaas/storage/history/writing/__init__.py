"""Writing: what one commit does, and what the writer keeps in memory for the next."""
