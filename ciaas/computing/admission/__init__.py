"""Admission of devices: who may connect, who is connected, what was refused."""
