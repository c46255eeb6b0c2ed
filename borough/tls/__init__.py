"""TLS of the HTTP API: its certificate, its server, and the clients on this machine."""
