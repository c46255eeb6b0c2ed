"""OpenID provider: applications, what people authorise them to do, and the tokens they get."""
