"""Applications, what they were authorised to do, signing keys and services in the registry."""
