"""Interoperability: check overlays, convert to canonical units, attach verdicts.

Main flow: `Rules.put` for each point and its merged overlay, then `Judge.judge` for each batch.
"""
