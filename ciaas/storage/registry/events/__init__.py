"""Alarms with their steps, and subscriptions with where each of them stands."""
