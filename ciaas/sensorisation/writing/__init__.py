"""Actuatorisation: a value becomes raw, is written, and is read back."""
