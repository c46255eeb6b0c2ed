"""Benches: each starts its own platform, measures it beside a baseline and holds it to bars."""
