"""Pairs of parts with similar directions, one behind the other, in torch on any device."""

import torch
from torch import Tensor

from hitgraph.kernels.ranges import expand_in_parts

OVERLAP = 50.0  # mm, by which the inner part may reach beyond the start of the outer one
CHUNK = 1 << 22  # pairs tested at a time


def near_pairs(
    begin: Tensor,
    end: Tensor,
    n_hits: Tensor,
    middle: Tensor,
    begins: Tensor,
    ends: Tensor,
    place: Tensor,
    max_hits: int,
) -> Tensor:
    """(2, n_pairs) int64 inner and outer part.

    Part k is compared with those in [begin[k], end[k]) and [begin[k + n], end[k + n]), of (2 n,)
    each. n_hits (n,) and in mm from the origin middle, begins, ends (n,) of the hits: that with the
    lower middle is the inner one. place (n, 3) is where a part goes, in units of the reach.
    """
    found = [begin.new_empty(2, 0)]
    for row, other in expand_in_parts(begin, end, CHUNK):
        one = row % len(n_hits)
        short = n_hits[one] + n_hits[other] <= max_hits
        one, other = one[short], other[short]
        swap = middle[one] > middle[other]
        inner, outer = torch.where(swap, other, one), torch.where(swap, one, other)
        behind = begins[outer] - ends[inner] >= -OVERLAP
        inner, outer = inner[behind], outer[behind]
        near = (place[inner] - place[outer]).square().sum(1) <= 1
        found.append(torch.stack([inner[near], outer[near]]))
    return torch.cat(found, dim=1)
