"""IoT Kernel: resource model, addresses, wire codecs, the uplink."""
