"""Commands to devices: recorded before they are sent, followed until one end."""
