"""Charged-particle track reconstruction with graph neural networks."""

from hitgraph._version import __version__

__all__ = ["__version__"]
