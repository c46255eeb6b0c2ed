"""The flows of OAuth 2 on Authlib; imported at the first request: it takes half a second."""
