"""From scored edges to track candidates.

A track builder is a function `(hits, edge_index, scores, settings) -> labels (n_hits,) int64`,
-1 = no track, and its settings are a frozen dataclass that makes a stage of it (tracks.stage).
"""

from hitgraph.tracks.components import ComponentsSettings, connected_components
from hitgraph.tracks.merge import MergeSettings, merge_exclusive
from hitgraph.tracks.walkthrough import WalkthroughSettings, walk_through

__all__ = [
    "ComponentsSettings",
    "MergeSettings",
    "WalkthroughSettings",
    "connected_components",
    "merge_exclusive",
    "walk_through",
]
