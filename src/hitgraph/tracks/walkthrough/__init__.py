"""Tracks as connected components where these are simple, else as walks outward along the edges.

The method of the GNN4ITk studies ("connected components and walkthrough"): paths without a branch
are tracks as they are, and only the components that branch are taken apart.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.hits import Hits
from hitgraph.hits.direction import squared_distance
from hitgraph.kernels.choice import Backend, for_host
from hitgraph.tracks.checks import check_edges, check_min_hits, check_score
from hitgraph.tracks.stage import TrackSettings
from hitgraph.tracks.unionfind import edges_above, number_sets
from hitgraph.tracks.walkthrough import plain
from hitgraph.tracks.walkthrough.cpu import walk


@dataclass(frozen=True)
class WalkthroughSettings(TrackSettings):
    """Simple components as tracks, branching ones by walks along the best edges."""

    score_cut: float = 0.01  # edges strictly above it make the components
    walk_cut: float = 0.1  # the best edge onward is followed if strictly above it
    add_cut: float = 0.6  # every other edge onward strictly above it is followed too
    min_hits: int = 3  # shorter paths are no track

    def __post_init__(self) -> None:
        for key in ("score_cut", "walk_cut", "add_cut"):
            check_score(key, getattr(self, key))
        if self.walk_cut > self.add_cut:
            raise SettingsError(f"walk_cut: {self.walk_cut} is above add_cut, {self.add_cut}")
        check_min_hits(self.min_hits)

    def build(
        self, hits: Hits, edge_index: Tensor, scores: Tensor, backend: Backend = "auto"
    ) -> Tensor:
        return walk_through(hits, edge_index, scores, self, backend)


def walk_through(
    hits: Hits,
    edge_index: Tensor,
    scores: Tensor,
    settings: WalkthroughSettings,
    backend: Backend = "auto",
) -> Tensor:
    """Track of each hit, (n_hits,) int64, -1 = none.

    A component whose hits have at most one edge inward and one outward is a track. In the others,
    walks start at the hits from the innermost one on. From a hit, a walk goes along the edge with
    the highest score above `walk_cut` and along all those above `add_cut`, to hits on no track
    yet; the longest of the paths that arise (then the one with the highest sum of scores) becomes
    a track. Edges run from the hit nearer to the origin outward, however they are given.
    """
    check_edges(len(hits), edge_index, scores)
    if not for_host(scores, backend):
        return plain.walk_through(hits, edge_index, scores, settings)
    source, target, score = edges_above(edge_index, scores, settings.score_cut)
    # From here on a hit is its place in the order from the origin outward: edges lead upward.
    outward = torch.argsort(squared_distance(hits.position), stable=True).numpy()
    place = np.empty_like(outward)
    place[outward] = np.arange(len(outward))
    inner = np.minimum(place[source], place[target])
    outer = np.maximum(place[source], place[target])
    parent_by_place = walk(
        len(hits), inner, outer, score, settings.walk_cut, settings.add_cut, settings.min_hits
    )
    parent = np.empty_like(parent_by_place)
    parent[outward] = outward[parent_by_place]
    return torch.from_numpy(number_sets(parent, settings.min_hits))
