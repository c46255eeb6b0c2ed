"""What every request passes before a route: the record, authentication, the bound of its body."""
