"""Keys of objects; scheduled jobs and their runs."""
