"""Edges of one particle with its class, and classes of hits, in events of a liquid-argon TPC.

The first is what Exa.TrkX did (arXiv 2103.06233), the second what NuGraph2 does (arXiv 2403.11872);
here one network learns both. The classes are those of hitgraph.event.argon.
"""
