"""Tracks as the connected components of the edges above a cut (arXiv 2103.06995, section 3.2)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.hits import Hits
from hitgraph.kernels.choice import Backend, for_host
from hitgraph.picks import rows_at, rows_where
from hitgraph.tracks import plain
from hitgraph.tracks.checks import check_edges, check_min_hits, check_score
from hitgraph.tracks.stage import TrackSettings
from hitgraph.tracks.unionfind import connect, edges_above, number_sets


@dataclass(frozen=True)
class ComponentsSettings(TrackSettings):
    """Tracks as the connected components of the edges above a cut."""

    score_cut: float = 0.5  # edges strictly above it are kept
    min_hits: int = 3  # smaller components are no track
    exclusive: bool = False  # nor are components with two hits of one module
    tune: bool = True  # choose score_cut by the TrackML score in validation, or leave it as it is
    junction_removal: bool = False  # of several edges outward of a hit, or inward, the best counts

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

    edge_index (2, n_edges) int64 in any order, and, where no junctions are removed, direction;
    scores (n_edges,) from 0 to 1. An edge is removed where a better one begins at its first hit, or
    ends at its second, as ACTS does it; of equally good ones the first stays. A particle crosses a
    module once: a component that is not `exclusive` holds several.
    """
    check_edges(len(hits), edge_index, scores)
    if settings.junction_removal:
        edge_index, scores = plain.without_junctions(edge_index, scores, len(hits))
    if for_host(scores, backend):
        source, target, _ = edges_above(edge_index, scores, settings.score_cut)
        sets = number_sets(connect(len(hits), source, target), settings.min_hits)
        labels = torch.from_numpy(sets)
    else:
        ends = plain.best_first(edge_index, scores, settings.score_cut)
        labels = plain.number_sets(plain.connect(len(hits), *ends), settings.min_hits)
    return exclusive_tracks(labels, hits.module) if settings.exclusive else labels


def exclusive_tracks(labels: Tensor, module: Tensor) -> Tensor:
    """The labels (n_hits,) without tracks that have two hits of one module (n_hits,), both int64.

    The others are numbered anew, in their order.
    """
    on = rows_where(labels >= 0)
    if not len(on):
        return labels
    n_modules = module.max() + 1
    track = rows_at(labels, on)
    crossed = torch.sort(track * n_modules + rows_at(module, on)).values
    twice = crossed[1:][crossed[1:] == crossed[:-1]] // n_modules
    is_one = torch.ones(int(labels.max()) + 1, dtype=torch.bool, device=labels.device)
    is_one[twice] = False
    number = torch.where(is_one, torch.cumsum(is_one, 0) - 1, -1)
    left = torch.full_like(labels, -1)
    left[on] = rows_at(number, track)
    return left
