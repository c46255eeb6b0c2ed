"""What the platform is compared with, each in a process of its own."""
