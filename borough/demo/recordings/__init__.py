"""Recordings of other cities, read out of the data packages and replayed at today's date."""
