"""City indices on a public page: living, washing and environment, as in ClouT's field trials."""
