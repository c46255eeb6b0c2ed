"""Enrolment in bulk, in the registry."""
