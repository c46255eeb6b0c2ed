"""Named keys of projects, sealed under the key ring."""
