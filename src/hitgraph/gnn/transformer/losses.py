"""Losses of candidates and their masks.

A candidate began with a hit, so that it is known which object it is held to: that of its hit. No
assignment is looked for, as arXiv 2005.12872, section 3.1 does for candidates that are nobody's:
one that began with a hit of another object would be taught a mask without its own hit. So several
may be the same track, of which the likeliest is left when tracks are made of masks.

Terms and weights are those of arXiv 2112.01527, section 4.1: focal loss (arXiv 1708.02002, equation
4, with gamma = 2 and without alpha) and dice loss (arXiv 1606.04797) of the mask as in arXiv
2411.07149, and the cross entropy of being a track. The focal loss is summed over hits and divided
by the hits of the object, so that long masks of nothing do not dilute it.
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

__all__ = ["candidate_loss", "mask_loss"]

TRACK, FOCAL, DICE = 2.0, 5.0, 5.0  # weights
GAMMA = 2


def candidate_loss(track: Tensor, mask: Tensor, truth: Tensor) -> Tensor:
    """Loss of one layer's candidates.

    track (n_candidates,) and mask (n_candidates, n_hits) are logits; truth (n_candidates, n_hits)
    is 1 where a hit is of the object of a candidate. One whose hit is of no object has no truth: it
    is no track, and is taught no mask.
    """
    if not len(track):
        return track.sum()
    on = truth.any(dim=1)
    loss = TRACK * binary_cross_entropy_with_logits(track, on.float())
    return loss + mask_loss(mask[on], truth[on]) if bool(on.any()) else loss


def mask_loss(mask: Tensor, truth: Tensor) -> Tensor:
    """Mean over masks of logits and truth, both (n_masks, n_hits)."""
    share, n_hits = torch.sigmoid(mask), truth.sum(dim=1)
    on, off = (1 - share) ** GAMMA * softplus(-mask), share**GAMMA * softplus(mask)
    focal = torch.where(truth > 0, on, off).sum(dim=1) / n_hits
    dice = 1 - (2 * (share * truth).sum(dim=1) + 1) / (share.sum(dim=1) + n_hits + 1)
    return (FOCAL * focal + DICE * dice).mean()
