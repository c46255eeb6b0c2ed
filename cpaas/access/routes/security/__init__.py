"""Routes of keys: the platform's ring, and encryption as a service."""
