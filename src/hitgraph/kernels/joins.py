"""Rows of equal numbers, in operations whose sizes stay free when torch traces them."""

import torch
from torch import Tensor


def equal_rows(left: Tensor, right: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Every e and f with left[e] == right[f], (n_pairs,) int64 each, by e; numbers from 0 to n - 1.

    In any order, (n_left,) and (n_right,) int64.
    """
    order = torch.argsort(right)
    size = torch.zeros(n, dtype=torch.int64, device=right.device)
    size = size.index_add(0, right, torch.ones_like(right))
    begin, count = (torch.cumsum(size, 0) - size)[left], size[left]
    e = torch.repeat_interleave(count)
    place = torch.cumsum(torch.ones_like(e), 0) - 1
    return e, order[place - (torch.cumsum(count, 0) - count - begin)[e]]


def find_rows(numbers: Tensor, wanted: Tensor) -> Tensor:
    """(n_wanted,) int64 a row of numbers, (n,) sorted integers, with each wanted one, else -1."""
    last = numbers.shape[0] - 1
    place = torch.searchsorted(numbers, wanted).clamp_max(last)
    return torch.where(numbers[place] == wanted, place, -1)
