"""One module a role: what its process builds, and in which order."""
