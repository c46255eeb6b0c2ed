"""The demo: a city quarter of replayed and simulated devices."""
