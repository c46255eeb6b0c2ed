"""Commands to devices, with every rung they reached."""
