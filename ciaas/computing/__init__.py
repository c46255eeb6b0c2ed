"""Computing: the bus, admission of devices, supervision of roles."""
