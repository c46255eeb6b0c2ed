"""Signed tokens: the keys, and what is accepted of them."""
