"""The broker: its configuration, its process, its log, its streams."""
