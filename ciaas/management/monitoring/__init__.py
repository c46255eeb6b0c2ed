"""Watching over hardware and software: host, stores, queues, and how points are silent."""
