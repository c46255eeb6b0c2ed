"""What projects use of what there are quotas of: messages and storage."""
