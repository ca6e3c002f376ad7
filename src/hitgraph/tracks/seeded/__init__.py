"""Tracks that grow out of seeds of three hits, as those of the ancestors of graph networks did.

A candidate has at most one hit on each layer. Candidates are found one by one, know nothing of each
other, and so may want the same hits.
"""

import torch
from torch import Tensor

from hitgraph.gnn.seeds import innermost_seeds
from hitgraph.kernels.choice import Backend
from hitgraph.state import State

SEED_HITS = 3


def seeds_of(state: State, cut: float, backend: Backend = "auto") -> Tensor:
    """(n_seeds, 3) int64 hits, inner to outer, at the inner ends of chains of scored edges."""
    logits, layer = state.edge["logit"], state.hits.layer
    return innermost_seeds(state.graph(), logits, layer, cut, backend)


def tracks_of(members: Tensor, quality: Tensor, n_hits: int, min_hits: int) -> Tensor:
    """Track of each hit, (n_hits,) int64 from 0 without gaps, -1 = none.

    members (n_candidates, n) int64 are the hits of each candidate, each once, -1 = none; quality
    (n_candidates,) says how good each is. A hit belongs to the best candidate that wants it, of
    equal ones the first; one that is left with fewer than `min_hits`, or with half of its hits, is
    no track.
    """
    row, column = torch.nonzero(members >= 0, as_tuple=True)
    hit = members[row, column]
    order = torch.argsort(quality, descending=True, stable=True)
    rank = torch.argsort(order)
    best = torch.full((n_hits,), len(members), device=members.device)
    best.scatter_reduce_(0, hit, rank[row], "amin")
    own = torch.bincount(row, minlength=len(members))[order]
    left = torch.bincount(best, minlength=len(members) + 1)[:-1]
    kept = (left >= min_hits) & (2 * left > own)
    number = torch.where(kept, torch.cumsum(kept, 0) - 1, -1)
    return torch.cat([number, number.new_full((1,), -1)])[best]
