"""How dependable the city and the platform are."""
