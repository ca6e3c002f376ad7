"""From edge scores to track candidates."""
