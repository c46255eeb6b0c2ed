"""Feeds of the demo that are not the platform's: documents on the web, a broker of its own."""
