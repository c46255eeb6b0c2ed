"""The city quarter: what stands where, what it measures, and where its values come from."""
