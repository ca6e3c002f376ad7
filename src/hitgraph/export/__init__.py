"""Pipelines for other programs: their networks as files that other runtimes read."""
