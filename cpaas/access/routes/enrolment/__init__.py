"""Routes of enrolment in bulk."""
