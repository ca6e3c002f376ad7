"""Tracks as the connected components of the edges above a cut (arXiv 2103.06995, section 3.2)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.hits import Hits
from hitgraph.kernels.choice import Backend, for_host
from hitgraph.tracks import plain
from hitgraph.tracks.checks import check_edges, check_min_hits, check_score
from hitgraph.tracks.stage import TrackSettings
from hitgraph.tracks.unionfind import connect, edges_above, number_sets


@dataclass(frozen=True)
class ComponentsSettings(TrackSettings):
    """Tracks as the connected components of the edges above a cut."""

    score_cut: float = 0.5  # edges strictly above it are kept
    min_hits: int = 3  # smaller components are no track

    paper: ClassVar[str] = "2103.06995"

    def __post_init__(self) -> None:
        check_score("score_cut", self.score_cut)
        check_min_hits(self.min_hits)

    def build(
        self, hits: Hits, edge_index: Tensor, scores: Tensor, backend: Backend = "auto"
    ) -> Tensor:
        return connected_components(hits, edge_index, scores, self, backend)


def connected_components(
    hits: Hits,
    edge_index: Tensor,
    scores: Tensor,
    settings: ComponentsSettings,
    backend: Backend = "auto",
) -> Tensor:
    """Track of each hit, (n_hits,) int64, -1 = none: components of the edges above the cut.

    edge_index (2, n_edges) int64 in any direction and order, scores (n_edges,) from 0 to 1.
    """
    check_edges(len(hits), edge_index, scores)
    if not for_host(scores, backend):
        ends = plain.best_first(edge_index, scores, settings.score_cut)
        return plain.number_sets(plain.connect(len(hits), *ends), settings.min_hits)
    source, target, _ = edges_above(edge_index, scores, settings.score_cut)
    return torch.from_numpy(number_sets(connect(len(hits), source, target), settings.min_hits))
