"""Routes of the OpenID provider."""
