"""Who may do what, how it is proved, and how secrets are kept. Knows nothing of devices."""
