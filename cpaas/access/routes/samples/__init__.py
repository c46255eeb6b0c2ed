"""Samples: last values, history, an app's own observations, and what was set aside."""
