"""From edge scores to track candidates.

A track builder is a function `(hits, edge_index, scores, settings) -> labels (n_hits,) int64`,
-1 = no track, and its settings are a frozen dataclass.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from hitgraph.tracks.components import ComponentsSettings, connected_components
from hitgraph.tracks.merge import MergeSettings, merge_exclusive
from hitgraph.tracks.walkthrough import WalkthroughSettings, walk_through

# Name in a recipe -> what it is set with, and the function.
TRACK_BUILDERS: dict[str, tuple[type[Any], Callable[..., Tensor]]] = {
    "components": (ComponentsSettings, connected_components),
    "walkthrough": (WalkthroughSettings, walk_through),
    "merge": (MergeSettings, merge_exclusive),
}

__all__ = [
    "TRACK_BUILDERS",
    "ComponentsSettings",
    "MergeSettings",
    "WalkthroughSettings",
    "connected_components",
    "merge_exclusive",
    "walk_through",
]
