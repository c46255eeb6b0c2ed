"""Webhooks: what is recorded, delivered to receivers that keep nobody waiting."""
