"""Legacy protocols, one folder each, independent of one another."""
