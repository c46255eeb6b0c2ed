"""Interoperability: validation, unit conversion and quality verdicts."""
