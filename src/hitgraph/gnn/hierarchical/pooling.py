"""GMPool (arXiv 2303.01640, section 3.2): hits that are alike become supernodes.

The similarity of two hits is t = atanh of the cosine of their embeddings. Over all edges it is
taken for a mixture of two Gaussians, hits of one particle above, others below; the cut is where
log p_high - log p_low = gamma. Connected components of the edges above it are supernodes. The paper
has edges only, which fails where nearly all of them are good; a quarter as many pairs across edges
are taken along. With as many as edges, the lower Gaussian would be theirs, and the cut so low that
false edges join particles.
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor, nn

from hitgraph.nn.blocks import sum_at

ROUNDS, LARGEST_SAMPLE = 30, 50_000  # of the fit
ACROSS = 4  # edges for each pair across edges
KEPT = 0.95  # of the running average, a training step
_LARGEST_COSINE = 0.9999


class Mixture(NamedTuple):
    """Two Gaussians, the lower one first."""

    weight: Tensor  # (2,) float64, their sum is 1
    mean: Tensor  # (2,)
    std: Tensor  # (2,)


class GaussianPool(nn.Module):
    """Remembers the cut: the running average over training steps, which is used afterwards."""

    total: Tensor
    share: Tensor

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma
        self.register_buffer("total", torch.zeros(()))
        self.register_buffer("share", torch.zeros(()))

    @property
    def cut(self) -> Tensor:
        return self.total / self.share.clamp_min(1e-6)

    @torch.no_grad()
    def forward(self, embedding: Tensor, edge_index: Tensor, min_hits: int) -> Tensor:
        """Supernode of each hit (n_hits,) int64 from 0 on, -1 = none; embedding (n_hits, d)."""
        if self.training and edge_index.shape[1] > 1:
            mixture = fit_mixture(along(embedding, with_pairs_across(edge_index)))
            self.total.mul_(KEPT).add_((1 - KEPT) * cut_of(mixture, self.gamma))
            self.share.mul_(KEPT).add_(1 - KEPT)
        alike = along(embedding, edge_index)
        return components(edge_index[:, alike >= self.cut], len(embedding), min_hits)


def with_pairs_across(edge_index: Tensor) -> Tensor:
    """(2, n) the edges, and the inner hit of one in ACROSS with the outer hit of another."""
    inner, outer = edge_index
    across = torch.stack([inner, outer.roll(len(outer) // 2)])
    return torch.cat([edge_index, across[:, ::ACROSS]], dim=1)


def similarity(one: Tensor, other: Tensor) -> Tensor:
    """(n,) atanh of the cosine of unit vectors (n, d) each."""
    cosine = (one * other).sum(dim=1).float()
    return torch.atanh(cosine.clamp(-_LARGEST_COSINE, _LARGEST_COSINE))


def along(embedding: Tensor, edge_index: Tensor) -> Tensor:
    """(n_edges,) similarity of the hits of each edge; embedding (n_hits, d) of unit vectors."""
    return similarity(*(embedding.index_select(0, ends) for ends in edge_index))


def fit_mixture(values: Tensor) -> Mixture:
    """The mixture that describes values (n,), two at least, by expectation maximisation."""
    values = values.double()
    if len(values) > LARGEST_SAMPLE:
        values = values[:: len(values) // LARGEST_SAMPLE + 1]
    spread = values.std().clamp_min(1e-3)
    start = torch.quantile(values, torch.tensor([0.2, 0.8], dtype=values.dtype).to(values.device))
    mixture = Mixture(torch.full_like(start, 0.5), start, spread.repeat(2) / 2)
    for _ in range(ROUNDS):
        belongs = torch.softmax(_log_densities(mixture, values), dim=0)
        total = belongs.sum(dim=1).clamp_min(1e-6)
        mean = (belongs * values).sum(dim=1) / total
        variance = (belongs * (values - mean[:, None]) ** 2).sum(dim=1) / total
        std = variance.sqrt().clamp_min(float(spread) * 0.02)
        mixture = Mixture(total / len(values), mean, std)
    order = torch.argsort(mixture.mean)
    return Mixture(*(part[order] for part in mixture))


def cut_of(mixture: Mixture, gamma: float) -> Tensor:
    """Where, above the lower mean, the higher Gaussian is exp(gamma) times as likely as the lower.

    Where it never is, the higher mean.
    """
    low, high = mixture.mean
    places = torch.linspace(0, 1, 1001, dtype=low.dtype, device=low.device)
    places = low + places * (high + 3 * mixture.std[1] - low)
    below, above = _log_densities(mixture, places)
    enough = torch.nonzero(above - below >= gamma).squeeze(1)
    cut: Tensor = places[enough[0]] if len(enough) else high
    return cut


def _log_densities(mixture: Mixture, values: Tensor) -> Tensor:
    """(2, n)."""
    weight, mean, std = (part[:, None] for part in mixture)
    return weight.clamp_min(1e-12).log() - std.log() - 0.5 * ((values - mean) / std) ** 2


def components(edge_index: Tensor, n_hits: int, min_hits: int) -> Tensor:
    """(n_hits,) int64 connected component of each hit, from 0 on; -1 in those below `min_hits`."""
    inner, outer = edge_index.cpu().numpy()
    graph = coo_array((np.ones(len(inner), bool), (inner, outer)), shape=(n_hits, n_hits))
    _, found = connected_components(graph, directed=False)
    label = torch.from_numpy(found.astype(np.int64)).to(edge_index.device)
    return without_small(label, min_hits)


def without_small(label: Tensor, min_hits: int) -> Tensor:
    """Groups (n_hits,) of at least 0 numbered anew without those below `min_hits`: -1."""
    size = torch.bincount(label[label >= 0])
    kept = size >= min_hits
    number = torch.where(kept, torch.cumsum(kept, 0) - 1, -1)
    return torch.where(label >= 0, number[label.clamp_min(0)], -1) if len(size) else label


def centres(embedding: Tensor, supernode: Tensor) -> Tensor:
    """(n_supernodes, d) unit vectors: mean embedding of the hits of each."""
    inside = supernode >= 0
    n = int(supernode.max()) + 1 if bool(inside.any()) else 0
    return nn.functional.normalize(sum_at(embedding[inside], supernode[inside], n), dim=1)


def candidates(embedding: Tensor, centre: Tensor, supernode: Tensor, k: int) -> Tensor:
    """(2, n) int64 hits and the k supernodes that each may belong to: the nearest and its own.

    embedding (n_hits, d), centre (n_supernodes, d), supernode (n_hits,) that a hit was pooled into.
    """
    hit, near = nearest(embedding, centre, k)
    if len(near) == 0:
        return torch.stack([hit, near])
    found = near.view(len(embedding), -1)
    missing = (supernode >= 0) & ~(found == supernode[:, None]).any(dim=1)
    found[missing, -1] = supernode[missing]
    return torch.stack([hit, found.flatten()])


def nearest(queries: Tensor, points: Tensor, k: int, part: int = 4096) -> Tensor:
    """(2, n) int64 rows of queries and of the k points (all, if they are fewer) most like each.

    Unit vectors (n_queries, d) and (n_points, d). Memory is bounded by `part` rows of queries.
    """
    k = min(k, len(points))
    if k == 0:
        return torch.zeros(2, 0, dtype=torch.int64, device=queries.device)
    found = [
        torch.topk(rows @ points.T, k, dim=1).indices
        for rows in torch.split(queries.detach(), part)
    ]
    row = torch.arange(len(queries), device=queries.device).repeat_interleave(k)
    return torch.stack([row, torch.cat(found).flatten()])
