"""Subscribing: one supervised channel for the devices that tell by themselves."""
