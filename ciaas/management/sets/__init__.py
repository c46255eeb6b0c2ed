"""Sets that grants name: selections of points, and groups of endpoints."""
