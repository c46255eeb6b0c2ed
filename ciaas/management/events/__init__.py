"""Events: commits followed in order by live feeds, subscriptions and alarms of this process."""
