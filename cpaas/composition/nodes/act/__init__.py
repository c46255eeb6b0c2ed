"""Nodes that act: what leaves a mashup."""
