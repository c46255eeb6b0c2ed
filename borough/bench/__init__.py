"""Benches: each starts a platform of its own, measures it beside a baseline and holds it to bars."""
