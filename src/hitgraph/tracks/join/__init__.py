"""Joining fragments: tracks that are parts of one particle, told by a small network.

A missing edge breaks a track in two. Pairs of parts with similar directions (tracks/parts.py) are
judged by how well their helices agree and how well each one leads to the near end of the other.
The best pairs are joined first, never two parts that both have a hit on one module.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hitgraph.hits import Hits
from hitgraph.kernels.choice import Backend, for_host
from hitgraph.lessons.settings import check_at_least
from hitgraph.nn.blocks import Standardise, logits_of, mlp
from hitgraph.picks import rows_at, rows_where
from hitgraph.tracks import plain
from hitgraph.tracks.checks import check_min_hits, check_score
from hitgraph.tracks.merge import merge_on_device
from hitgraph.tracks.merge.cpu import merge_groups
from hitgraph.tracks.parts import JOIN_FEATURES, PartPairs
from hitgraph.tracks.unionfind import number_sets


@dataclass(frozen=True)
class JoinSettings:
    """The network that judges pairs of parts, and what is done with its scores."""

    hidden: int = 48  # width of the hidden layers
    layers: int = 2  # hidden layers
    score_cut: float = 0.9  # pairs strictly above it are joined
    min_hits: int = 3  # shorter tracks are dropped, after parts are joined
    max_hits: int = 30  # longer tracks are not made

    def __post_init__(self) -> None:
        check_at_least(self, hidden=1, layers=1)
        check_score("score_cut", self.score_cut)
        check_min_hits(self.min_hits)


class JoinNetwork(nn.Module):
    """Logit that two parts are of one particle."""

    def __init__(self, settings: JoinSettings) -> None:
        super().__init__()
        self.standardise = Standardise(len(JOIN_FEATURES))
        widths = [settings.hidden] * settings.layers
        self.layers = mlp([len(JOIN_FEATURES), *widths, 1])

    def forward(self, features: Tensor) -> Tensor:
        """(n_pairs, n_features) -> (n_pairs,)."""
        return logits_of(self.layers, self.standardise(features))


def join_tracks(
    hits: Hits,
    labels: Tensor,
    pairs: PartPairs,
    scores: Tensor,
    settings: JoinSettings,
    backend: Backend = "auto",
) -> Tensor:
    """Labels (n_hits,) with the parts joined and short tracks dropped.

    scores (n_pairs,) from 0 to 1. By falling score, two tracks become one unless both have a hit
    on one module or the joint track would be longer than `max_hits`.
    """
    rows = rows_where(labels >= 0)
    if len(rows) == 0:
        return labels.clone()
    track, module = rows_at(labels, rows), rows_at(hits.module, rows)
    row = torch.arange(len(rows), device=rows.device)
    first = torch.full_like(row, len(rows)).scatter_reduce_(0, track, row, "amin")  # by track
    best = plain.best_first(torch.stack([pairs.inner, pairs.outer]), scores, settings.score_cut)
    source, target = first[best[0]], first[best[1]]
    joined = torch.full_like(labels, -1)
    if for_host(labels, backend):
        parent = merge_groups(
            torch.cat([row, source]).numpy(),
            torch.cat([first[track], target]).numpy(),
            module.numpy(),
            settings.max_hits,
            len(row),
        )
        joined[rows] = torch.from_numpy(number_sets(parent, settings.min_hits))
    else:
        group = merge_on_device(source, target, module, settings.max_hits, first[track], backend)
        joined[rows] = plain.number_sets(group, settings.min_hits)
    return joined
