"""The loss of object condensation (arXiv 2002.03605, equations 4 to 9).

With the charge q = arctanh(beta)^2 + q_min, and the hit alpha of largest charge of each particle k,
it is the sum of

    attraction   mean over the hits i of particles of  q_i q_alpha |h_i - h_alpha|^2
    repulsion    the same over the hits of others, of  q_i q_alpha max(0, 1 - |h_i - h_alpha|)
    beta         mean over particles of 1 - beta_alpha, and the mean beta of noise

Other than in the paper the first two means are over the hits of particles only, noise is not pushed
away, and hits can weigh differently: where objects are judged by their energy, as showers are, by
the share that they have in that of their object.
"""

import torch
from torch import Tensor

from hitgraph.graph.neighbours import radius_neighbours
from hitgraph.lessons.objects import NOISE

_TINY = 1e-12


def condensation_loss(
    beta_logit: Tensor,
    place: Tensor,
    owner: Tensor,
    weight: Tensor,
    q_min: float,
    repulsion: float,
    noise: float,
) -> Tensor:
    """The loss above, of hits with logits of beta (n_hits,) and places (n_hits, d).

    owner (n_hits,) int64 is the object of each hit, from 0 without gaps, or NOISE or NEUTRAL;
    weight (n_hits,) how much each counts in the means over hits of particles.
    """
    beta = torch.sigmoid(beta_logit).clamp(1e-6, 1 - 1e-6)
    loss = beta_logit.sum() * 0
    if bool((owner == NOISE).any()):
        loss = loss + noise * beta[owner == NOISE].mean()
    rows = torch.nonzero(owner >= 0).squeeze(1)
    if len(rows) == 0:
        return loss
    own, total = owner[rows], weight[rows].sum()
    charge = torch.atanh(beta) ** 2 + q_min
    n_objects = int(own.max()) + 1
    with torch.no_grad():  # the hit of largest charge of each object, of equal ones the first
        largest = charge.new_zeros(n_objects).scatter_reduce(0, own, charge[rows], "amax")
        is_largest = charge[rows] == largest[own]
        alpha = torch.full((n_objects,), len(beta), device=own.device)
        alpha.scatter_reduce_(0, own[is_largest], rows[is_largest], "amin")
    squared = (place[rows] - place[alpha[own]]).square().sum(dim=1)
    pulled = charge[rows] * charge[alpha[own]] * squared
    loss = loss + (weight[rows] * pulled).sum() / total
    near = radius_neighbours(place[alpha].detach(), place.detach(), 1.0)
    others = owner[near[1]] != near[0]
    k, i = near[0][others], near[1][others]
    i, k = i[owner[i] >= 0], k[owner[i] >= 0]
    distance = ((place[i] - place[alpha[k]]).square().sum(dim=1) + _TINY).sqrt()
    pushed = charge[i] * charge[alpha[k]] * (1 - distance).clamp_min(0)
    return loss + repulsion * (weight[i] * pushed).sum() / total + (1 - beta[alpha]).mean()
