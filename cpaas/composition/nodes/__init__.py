"""The types of nodes: one declaration each, from parameters to what it computes."""
