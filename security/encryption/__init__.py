"""Certificate authority and key ring."""
