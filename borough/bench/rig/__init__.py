"""What a bench stands on: a platform on a temporary home, enrolled devices, child processes."""
