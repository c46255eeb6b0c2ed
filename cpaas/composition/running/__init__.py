"""A mashup at work: live and in a dry run the same."""
