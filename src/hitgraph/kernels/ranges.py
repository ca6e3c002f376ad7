"""Ranges of rows laid out one after the other, for searches in torch that find a range a row."""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor


def expand(begin: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Row and value of each number in the ranges [begin, end), (n,) each, none of them negative."""
    count = end - begin
    row = torch.repeat_interleave(count)
    skipped = torch.cumsum(count, 0) - count - begin
    return row, torch.arange(len(row), device=row.device) - skipped[row]


def expand_in_parts(begin: Tensor, end: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """What `expand` gives, cut between rows; one part at least.

    A part has at most `size` numbers and those of one more row, so that what is done with one part
    at a time needs memory that does not grow with the event.
    """
    total = torch.cumsum(end - begin, 0)
    n_cuts = int(total[-1]) // size if len(total) else 0
    targets = torch.arange(1, n_cuts + 1, device=total.device) * size
    cuts = [0, *torch.searchsorted(total, targets).tolist(), len(total)]
    for low, high in pairwise(cuts):
        row, value = expand(begin[low:high], end[low:high])
        yield row + low, value
