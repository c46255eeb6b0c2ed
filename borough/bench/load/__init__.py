"""The load: many devices in one process of its own, fast enough to saturate the broker."""
