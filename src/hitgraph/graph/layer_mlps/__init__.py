"""One small MLP for each pair of layers, on the positions of both hits of a candidate edge.

The doublet classifiers of the HEP.TrkX project (arXiv 1810.06111), which saw x, y, z of both hits.
Here the pair is turned first, so that the inner hit lies at azimuth zero.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from hitgraph.hits import Hits

VALUES = ("inner_r", "inner_z", "outer_r", "outer_z", "dphi")  # mm and rad
UNKNOWN = -30.0  # logit of an edge between layers that no true edge of the training joins


def pair_values(hits: Hits, edges: Tensor) -> Tensor:
    """(n_edges, 5) float32 VALUES of edges (2, n_edges)."""
    xi, yi, zi = hits.straight[edges[0]].unbind(dim=1)
    xj, yj, zj = hits.straight[edges[1]].unbind(dim=1)
    dphi = torch.atan2(xi * yj - yi * xj, xi * xj + yi * yj)
    return torch.stack([torch.hypot(xi, yi), zi, torch.hypot(xj, yj), zj, dphi], dim=1)


class LayerMlps(nn.Module):
    """Logit of each candidate edge by the MLP of its pair of layers, its inputs standardised."""

    mean: Tensor
    std: Tensor

    def __init__(self, n_pairs: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_pairs, len(VALUES)))
        self.register_buffer("std", torch.ones(n_pairs, len(VALUES)))
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for n_in, n_out in pairwise([len(VALUES), *[hidden] * layers, 1]):
            bound = n_in**-0.5
            self.weights.append(torch.empty(n_pairs, n_in, n_out).uniform_(-bound, bound))
            self.biases.append(torch.zeros(n_pairs, n_out))

    def learn_inputs(self, attributes: Tensor) -> None:
        """Standardise by a sample of edges; attributes as of `forward`."""
        values, pair = attributes[:, :-1], attributes[:, -1].long()
        for row in pair[pair >= 0].unique().tolist():  # type: ignore[no-untyped-call]
            own = values[pair == row]
            if len(own) > 1:
                self.mean[row] = own.mean(dim=0)
                self.std[row] = own.std(dim=0).clamp_min(1e-6)

    def forward(self, x: Tensor, edge_index: Tensor, attributes: Tensor) -> Tensor:
        """attributes (n_edges, 6), VALUES and the pair of layers or -1 -> (n_edges,) logits.

        What else an edge network is given is not looked at.
        """
        del x, edge_index
        pair = attributes[:, -1].long()
        known = torch.nonzero(pair >= 0).squeeze(1)
        known = known[pair[known].argsort(stable=True)]
        pair = pair[known]
        count = torch.bincount(pair, minlength=len(self.mean)).tolist()
        values = ((attributes[known, :-1] - self.mean[pair]) / self.std[pair]).clamp(-8.0, 8.0)
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            values = torch.relu(values) if number else values
            parts = zip(torch.split(values, count), weight, bias, strict=True)
            values = torch.cat([torch.addmm(b, part, w) for part, w, b in parts])
        logits = torch.full_like(attributes[:, 0], UNKNOWN)
        return logits.index_copy(0, known, values[:, 0].to(logits.dtype))
