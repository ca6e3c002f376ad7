"""Studies: what a pipeline does when one thing about the events is changed (docs/studies.md)."""
