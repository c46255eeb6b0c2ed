"""Polling: one supervised task per device."""
