"""Phi sectors of events, one a step: steps are smaller then, and there are more of them."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor


def drawn_sectors(
    random: torch.Generator, n_events: int, n_sectors: int
) -> Iterator[tuple[int, int, Tensor]]:
    """Every phi sector of every event once: event, sector, and where the first one starts (rad).

    All events mixed: successive steps then see different events.
    """
    start = torch.rand(n_events, generator=random) * 2 * math.pi
    for ticket in torch.randperm(n_events * n_sectors, generator=random).tolist():
        number, sector = divmod(ticket, n_sectors)
        yield number, sector, start[number]


def sector_of(phi: Tensor, n_sectors: int) -> Tensor:
    """(n_hits,) int64 which of `n_sectors` equal sectors from phi = 0 on a hit lies in."""
    turn = (phi % (2 * math.pi)) * (n_sectors / (2 * math.pi))
    return turn.long().clamp_max(n_sectors - 1)  # rounding may give a full turn
