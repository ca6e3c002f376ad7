"""Tracks by DBSCAN (M. Ester et al., KDD 1996) with 1 - score of an edge as distance.

Two hits are neighbours where their edge has a score above the cut: eps = 1 - score_cut. A hit with
enough neighbours, itself counted, is a core; cores that are neighbours are on one track, and other
hits join the track of their nearest core, if they have one. With `min_samples: 1`, the value of
arXiv 2007.00149, these are the connected components; with more, a hit that has only few good edges
belongs to one track and does not connect two.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.hits import Hits
from hitgraph.kernels.choice import Backend, for_host
from hitgraph.lessons.settings import check_at_least
from hitgraph.state import long_tracks
from hitgraph.tracks import plain
from hitgraph.tracks.checks import check_edges, check_min_hits, check_score
from hitgraph.tracks.stage import TrackSettings
from hitgraph.tracks.unionfind import connect


@dataclass(frozen=True)
class DbscanSettings(TrackSettings):
    """DBSCAN on edges: hits with enough good edges are joined along these."""

    score_cut: float = 0.5  # hits of an edge strictly above it are neighbours
    min_samples: int = 1  # neighbours that make a hit a core, itself counted
    min_hits: int = 3  # smaller clusters are no track

    paper: ClassVar[str] = "2007.00149"

    def __post_init__(self) -> None:
        check_score("score_cut", self.score_cut)
        check_min_hits(self.min_hits)
        check_at_least(self, min_samples=1)

    def build(
        self, hits: Hits, edge_index: Tensor, scores: Tensor, backend: Backend = "auto"
    ) -> Tensor:
        check_edges(len(hits), edge_index, scores)
        near = scores > self.score_cut
        pairs, scores = edge_index[:, near], scores[near]
        return dbscan(len(hits), pairs, scores, self.min_samples, self.min_hits, backend)


def dbscan(
    n_points: int,
    pairs: Tensor,
    closeness: Tensor,
    min_samples: int,
    min_hits: int,
    backend: Backend = "auto",
) -> Tensor:
    """Cluster of each point, (n_points,) int64 by lowest row from 0 without gaps, -1 = none.

    pairs (2, n_pairs) int64 of neighbours, in any direction; closeness (n_pairs,): a point that is
    no core goes to the cluster of its closest core (of equally close ones, the lowest row). Other
    than in the original that does not depend on the order of the points. Clusters of fewer than
    `min_hits` points are none.
    """
    source, target, closeness = _each_once(n_points, pairs, closeness)
    core = torch.bincount(torch.cat([source, target]), minlength=n_points) + 1 >= min_samples
    inside = core[source] & core[target]
    root = _connected(n_points, source[inside], target[inside], backend)
    cluster = torch.where(core, root, -1)
    mixed = core[source] != core[target]
    source, target, closeness = source[mixed], target[mixed], closeness[mixed]
    middle = torch.where(core[source], source, target)
    edge = source + target - middle
    best = closeness.new_full((n_points,), -torch.inf).scatter_reduce_(0, edge, closeness, "amax")
    is_best = closeness == best[edge]
    nearest = torch.full_like(root, n_points)
    nearest.scatter_reduce_(0, edge[is_best], middle[is_best], "amin")
    found = nearest < n_points
    cluster[found] = root[nearest[found]]
    return long_tracks(_by_lowest_row(cluster), min_hits)


def _each_once(n_points: int, pairs: Tensor, closeness: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Both points and the closeness of every pair, without pairs of a point with itself."""
    low, high = pairs.amin(dim=0), pairs.amax(dim=0)
    apart = low < high
    key, place = torch.unique((low * n_points + high)[apart], return_inverse=True)
    closest = closeness.new_full((len(key),), -torch.inf)
    closest.scatter_reduce_(0, place, closeness[apart], "amax")
    return key // max(n_points, 1), key % max(n_points, 1), closest


def _connected(n_points: int, source: Tensor, target: Tensor, backend: Backend) -> Tensor:
    """(n_points,) int64 lowest row of the connected component of each point."""
    if not for_host(source, backend):
        return plain.connect(n_points, source, target)
    root = torch.from_numpy(connect(n_points, source.numpy(), target.numpy()))
    while not torch.equal(root, root[root]):
        root = root[root]
    return root


def _by_lowest_row(cluster: Tensor) -> Tensor:
    """(n_points,) int64 clusters named by the lowest row of their points, -1 = none."""
    rows = torch.arange(len(cluster), device=cluster.device)
    inside = cluster >= 0
    lowest = torch.full_like(cluster, len(cluster))
    lowest.scatter_reduce_(0, cluster[inside], rows[inside], "amin")
    return torch.where(inside, lowest[cluster.clamp_min(0)], -1) if len(cluster) else cluster
