"""A track builder: every hit is followed by the end of its best edge, if that agrees."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hitgraph.hits import Hits
from hitgraph.kernels.choice import Backend
from hitgraph.tracks.checks import check_edges, check_min_hits, check_score
from hitgraph.tracks.plain import best_first, connect, number_sets
from hitgraph.tracks.stage import TrackSettings


@dataclass(frozen=True)
class BestOnwardSettings(TrackSettings):
    """Chains of edges that are the best onward for their inner and inward for their outer hit."""

    score_cut: float = 0.5  # edges strictly above it count
    min_hits: int = 3  # shorter chains are no track

    def __post_init__(self) -> None:
        check_score("score_cut", self.score_cut)
        check_min_hits(self.min_hits)

    def build(
        self,
        hits: Hits,
        edge_index: Tensor,
        scores: Tensor,
        backend: Backend = "auto",  # noqa: ARG002  (torch works everywhere)
    ) -> Tensor:
        check_edges(len(hits), edge_index, scores)
        source, target = best_first(edge_index, scores, self.score_cut)
        rank = torch.arange(len(source), device=source.device)
        first = torch.full((2, len(hits)), len(source), device=source.device)
        for ends, best in zip((source, target), first, strict=True):
            best.scatter_reduce_(0, ends, rank, "amin")
        both = (first[0][source] == rank) & (first[1][target] == rank)
        return number_sets(connect(len(hits), source[both], target[both]), self.min_hits)
