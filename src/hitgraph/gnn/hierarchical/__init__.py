"""Hierarchical pooling of hits into supernodes, which become tracks (arXiv 2303.01640)."""
