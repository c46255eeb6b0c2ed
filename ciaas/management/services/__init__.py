"""Services: APIs of applications that others find, are granted and call."""
