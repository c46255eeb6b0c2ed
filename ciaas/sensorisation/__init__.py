"""Sensorisation: the adapter contract and its runtime."""
