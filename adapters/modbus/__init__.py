"""Modbus TCP, reading and writing."""
