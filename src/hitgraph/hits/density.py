"""How densely hits lie, which says how likely a pair of hits is an accident.

A particle leaves its hits whatever else happens in the event; the pairs that only look like one of
its edges grow in number with the density of the other hits. By Bayes' theorem the odds that a pair
with given properties is a true edge therefore go as one over that density. A logit that was learnt
at one density holds at another with the logarithm of their ratio taken off.
"""

import torch
from torch import Tensor

from hitgraph.hits import Hits

PHI_BINS = 128
MAX_SHIFT = 3.0  # of a logit: a factor of 20 in density; what lies beyond was not measured
_LEAST = 1e-3


def hit_density(hits: Hits, n_layers: int) -> Tensor:
    """How many other hits lie in the cell of a hit, on average; () float64 on the hits' device.

    A cell is a layer in 1/128 of the azimuth. The average over hits, not cells, is nearly the same
    for a slice of azimuth as for the whole event; a range of eta fills its cells in part only.
    """
    turn = hits.column("phi") * (PHI_BINS / (2 * torch.pi))
    cell = hits.layer * PHI_BINS + turn.floor().long() % PHI_BINS
    counts = torch.zeros(n_layers * PHI_BINS, dtype=torch.float64, device=cell.device)
    counts.index_add_(0, cell, torch.ones(len(cell), dtype=torch.float64, device=cell.device))
    return (counts * (counts - 1)).sum() / max(len(hits), 1)


def logit_shift(density: Tensor, learnt: float) -> Tensor:
    """What to take off a logit learnt at a density of `learnt`; () float64."""
    ratio = density.clamp_min(_LEAST) / max(learnt, _LEAST)
    return ratio.log().clamp(-MAX_SHIFT, MAX_SHIFT)
