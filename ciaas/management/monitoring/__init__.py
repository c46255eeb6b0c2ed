"""Watching over hardware and software: host, stores, queues, jobs, buckets, silent points."""
