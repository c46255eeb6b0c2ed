"""Segments: rows arrive in unsorted tails and are kept in tables sorted by point and time."""
