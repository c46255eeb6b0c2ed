"""City Data Processing: structured queries over many points, objects, scheduled jobs."""
