"""Sets that grants may name: selections and endpoint groups."""
