"""City Service Composition: mashups, from the document to what flows."""
