"""Losses of masks, and which candidate is held to which object.

Candidates and objects are assigned one to one at the lowest cost (arXiv 2005.12872, section 3.1).
Cost and loss of a pair have the same terms, with the weights of arXiv 2112.01527, section 4.1:
focal loss (arXiv 1708.02002, equation 4, with gamma = 2 and without alpha) and dice loss (arXiv
1606.04797) of the mask as in arXiv 2411.07149, and the cross entropy of being a track. The focal
loss is summed over hits and divided by the hits of the object, so that long masks of nothing do not
dilute it.
"""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

__all__ = ["assign", "candidate_loss", "mask_loss"]

TRACK, FOCAL, DICE = 2.0, 5.0, 5.0  # weights
GAMMA = 2


def candidate_loss(track: Tensor, mask: Tensor, truth: Tensor) -> Tensor:
    """Loss of one layer's candidates.

    track (n_candidates,) and mask (n_candidates, n_hits) are logits, truth (n_objects, n_hits) 0 or
    1, every object with a hit.
    """
    if not len(track):
        return track.sum()
    candidate, which = assign(track.detach(), mask.detach(), truth)
    is_track = torch.zeros_like(track)
    is_track[candidate] = 1.0
    loss = TRACK * binary_cross_entropy_with_logits(track, is_track)
    if not len(candidate):
        return loss
    return loss + mask_loss(mask[candidate], truth[which])


def assign(track: Tensor, mask: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """(n,) candidates and (n,) objects that belong together, int64: all of the fewer kind."""
    with torch.autocast(track.device.type, enabled=False):
        costs = pair_costs(track, mask, truth)
    rows, columns = linear_sum_assignment(costs.cpu().numpy())
    return (torch.from_numpy(found).to(track.device) for found in (rows, columns))  # type: ignore[return-value]


def pair_costs(track: Tensor, mask: Tensor, truth: Tensor) -> Tensor:
    """(n_candidates, n_objects) what the loss would be; but for a constant of each candidate."""
    on, off = _focal(mask)
    n_hits = truth.sum(dim=1)
    focal = (on @ truth.T + off @ (1 - truth).T) / n_hits
    share = torch.sigmoid(mask)
    dice = 1 - (2 * share @ truth.T + 1) / (share.sum(dim=1)[:, None] + n_hits + 1)
    return FOCAL * focal + DICE * dice - TRACK * torch.sigmoid(track)[:, None]


def mask_loss(mask: Tensor, truth: Tensor) -> Tensor:
    """Mean over pairs of logits and truth, both (n_pairs, n_hits)."""
    on, off = _focal(mask)
    n_hits = truth.sum(dim=1)
    focal = torch.where(truth > 0, on, off).sum(dim=1) / n_hits
    share = torch.sigmoid(mask)
    dice = 1 - (2 * (share * truth).sum(dim=1) + 1) / (share.sum(dim=1) + n_hits + 1)
    return (FOCAL * focal + DICE * dice).mean()


def _focal(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The focal loss of each entry, were it on the object, and were it not."""
    share = torch.sigmoid(logits)
    return (1 - share) ** GAMMA * softplus(-logits), share**GAMMA * softplus(logits)
