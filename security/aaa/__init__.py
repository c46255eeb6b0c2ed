"""Authentication, authorisation and accounting."""
