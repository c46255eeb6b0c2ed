"""Alarms: raised and cleared by samples, acknowledged by people."""
