"""Named keys of projects: encryption and signatures as a service."""
