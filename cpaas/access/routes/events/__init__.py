"""Live feeds, subscriptions and alarms."""
