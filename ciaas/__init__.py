"""City Infrastructure as a Service: every resource of the city as a data point."""
