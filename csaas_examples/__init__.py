"""Apps outside the architecture: each uses the public API by the client and nothing else."""
