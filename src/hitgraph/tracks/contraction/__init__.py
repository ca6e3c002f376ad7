"""Tracks by contracting edges, best first, with the evidence of all edges between two groups.

The greedy additive contraction of correlation clustering (M. Keuper et al., arXiv 1505.06973,
algorithm 1). The logit of an edge says how likely its hits belong together, and against it when it
is negative. Two groups of hits are joined where the sum of the logits of all edges between them is
the largest there is, and positive: one good edge does not glue two tracks whose other edges say
no, which it does where edges are taken one by one.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.hits import Hits
from hitgraph.kernels.choice import Backend
from hitgraph.tracks.checks import check_edges, check_lengths, check_score
from hitgraph.tracks.contraction import cpu, plain
from hitgraph.tracks.stage import TrackSettings
from hitgraph.tracks.unionfind import number_sets

LIMIT = 6.0  # of a logit, approached smoothly: no edge is surer


@dataclass(frozen=True)
class ContractionSettings(TrackSettings):
    """Groups of hits joined where all edges between them together say so."""

    score_cut: float = 0.5  # edges above it speak for joining, those below against
    min_hits: int = 3  # smaller groups are no track
    max_hits: int = 30  # longer tracks are not made
    exclusive: bool = True  # never two hits of one module in a group
    tune: bool = True  # choose score_cut in validation, or leave it as it is

    paper = "1505.06973"

    def __post_init__(self) -> None:
        check_score("score_cut", self.score_cut)
        check_lengths(self.min_hits, self.max_hits)

    def build(
        self, hits: Hits, edge_index: Tensor, scores: Tensor, backend: Backend = "auto"
    ) -> Tensor:
        return contract(hits, edge_index, scores, self, backend)


def contract(
    hits: Hits,
    edge_index: Tensor,
    scores: Tensor,
    settings: ContractionSettings,
    backend: Backend = "auto",
) -> Tensor:
    """Track of each hit, (n_hits,) int64, -1 = none; scores (n_edges,) from 0 to 1.

    Two groups are never joined that would be longer than `max_hits` together, or, where tracks are
    `exclusive`, that both have a hit of one module. Of equal sums the one whose first edge stands
    first is taken. It runs on the host: hits on a GPU are copied there and the labels back.
    """
    check_edges(len(hits), edge_index, scores)
    cut = torch.tensor(settings.score_cut).double()
    evidence = limited(torch.logit(scores.double().cpu())) - limited(torch.logit(cut))
    module = hits.module.cpu() if settings.exclusive else torch.arange(len(hits))
    parent = grouped(edge_index, evidence, module, settings.max_hits, backend)
    return torch.from_numpy(number_sets(parent, settings.min_hits)).to(hits.module.device)


def grouped(
    edge_index: Tensor, evidence: Tensor, module: Tensor, max_hits: int, backend: Backend = "auto"
) -> NDArray[np.int64]:
    """(n,) the parent of each node in its group, its own at the root, by contraction of the edges.

    edge_index (2, n_edges) between n nodes, evidence (n_edges,) float64 for joining where positive;
    module (n,): nodes of one module are never joined. unionfind.number_sets tells the groups.
    """
    source, target = edge_index.cpu().numpy()
    work = plain.contract if backend == "plain" else cpu.contract
    parent: NDArray[np.int64] = work(
        np.ascontiguousarray(source),
        np.ascontiguousarray(target),
        evidence.numpy(),
        module.numpy(),
        max_hits,
    )
    return parent


def limited(logits: Tensor) -> Tensor:
    """Logits within +-LIMIT; one that is no number speaks against."""
    return LIMIT * torch.tanh(logits / LIMIT).nan_to_num(nan=-1.0)
