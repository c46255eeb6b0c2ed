"""City Platform as a Service: access to the city's data points."""
