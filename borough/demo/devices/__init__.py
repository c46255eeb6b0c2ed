"""The device side of the demo: processes of their own that know only their certificates."""
