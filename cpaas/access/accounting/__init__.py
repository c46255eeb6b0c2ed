"""The record of accesses: who asked for what, and what was answered."""
