"""Second factors, sessions, invitations, lives of accounts, quotas."""
