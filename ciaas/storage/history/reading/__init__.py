"""Reading: series, thinned-out series, commits and what was set aside."""
