"""Pages of the OpenID provider: plain HTML that works without a script."""
