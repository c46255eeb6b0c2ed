"""One module a kind of resource, each with its router."""
