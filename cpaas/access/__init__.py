"""City Resource Access: the HTTP API."""
