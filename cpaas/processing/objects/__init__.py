"""Objects of projects: keys, contents, room."""
