"""How dependable a resource was, computed from what was really observed of it."""
