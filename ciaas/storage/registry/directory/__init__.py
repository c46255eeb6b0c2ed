"""What the directory reads of the registry."""
