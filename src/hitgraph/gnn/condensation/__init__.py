"""Object condensation (arXiv 2002.03605, for tracks 2309.16754): hits gather in a learnt space.

A network gives each hit a place h in a learnt space and beta in (0, 1), how much it stands for its
particle; labellers make tracks of these (hitgraph.tracks.condensation, hitgraph.tracks.dbscan).
"""
