"""Enrolment of many devices at once: profiles, sheets, batches."""
