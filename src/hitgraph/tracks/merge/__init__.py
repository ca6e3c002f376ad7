"""Tracks by merging hits along the best edges first, never two hits of one module on a track."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hitgraph.hits import Hits
from hitgraph.kernels.choice import Backend, for_gpu, for_host
from hitgraph.tracks import plain
from hitgraph.tracks.checks import check_edges, check_lengths, check_score
from hitgraph.tracks.merge.cpu import merge_groups
from hitgraph.tracks.stage import TrackSettings
from hitgraph.tracks.unionfind import best_order, edges_above, number_sets


@dataclass(frozen=True)
class MergeSettings(TrackSettings):
    """Hits merged along the best edges first, never two of one module."""

    score_cut: float = 0.5  # edges strictly above it may merge
    min_hits: int = 3  # smaller groups are no track
    max_hits: int = 30  # a merge that would make a longer track is refused
    tune: bool = True  # choose score_cut by the TrackML score in validation, or leave it as it is

    def __post_init__(self) -> None:
        check_score("score_cut", self.score_cut)
        check_lengths(self.min_hits, self.max_hits)

    def build(
        self, hits: Hits, edge_index: Tensor, scores: Tensor, backend: Backend = "auto"
    ) -> Tensor:
        return merge_exclusive(hits, edge_index, scores, self, backend)


def merge_exclusive(
    hits: Hits,
    edge_index: Tensor,
    scores: Tensor,
    settings: MergeSettings,
    backend: Backend = "auto",
) -> Tensor:
    """Track of each hit, (n_hits,) int64, -1 = none.

    Walks through the edges above the cut by falling score (equal scores in the order of the
    edges) and joins the two groups an edge touches, unless both hold a hit of the same module or
    the joint group would be longer than `max_hits`. A particle crosses a module once, so a group
    with two hits of a module is two particles. scores (n_edges,) from 0 to 1.
    """
    check_edges(len(hits), edge_index, scores)
    if not for_host(scores, backend):
        best = plain.best_first(edge_index, scores, settings.score_cut)
        group = merge_on_device(*best, hits.module, settings.max_hits, backend=backend)
        return plain.number_sets(group, settings.min_hits)
    source, target, score = edges_above(edge_index, scores, settings.score_cut)
    order = best_order(score)
    module = hits.module.numpy()
    parent = merge_groups(source[order], target[order], module, settings.max_hits, 0)
    return torch.from_numpy(number_sets(parent, settings.min_hits))


def merge_on_device(
    source: Tensor,
    target: Tensor,
    module: Tensor,
    max_hits: int,
    given: Tensor | None = None,
    backend: Backend = "auto",
) -> Tensor:
    """(n_hits,) lowest row of the group of each hit; see tracks.plain.merge."""
    if for_gpu(module, backend):
        from hitgraph.tracks.merge import gpu

        return gpu.merge(source, target, module, max_hits, given)
    return plain.merge(source, target, module, max_hits, given)
