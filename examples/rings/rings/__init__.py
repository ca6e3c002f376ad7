"""Stages for hitgraph from outside: an example."""
