"""What `security.ports` needs stored: accounts, grants and certificates."""
