"""Who: set-up, sign-in, tokens, users, projects and grants."""
