"""Modbus TCP, reading."""
