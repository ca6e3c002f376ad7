"""Phi sectors with margins, each turned so that its centre has the azimuth 0."""

from collections.abc import Iterator, Sequence
from math import pi
from typing import NamedTuple

import torch
from torch import Tensor

from hitgraph.nn.azimuths import AZIMUTHS

__all__ = ["Sector", "sector_at", "sectors_of"]


class Sector(NamedTuple):
    """The hits of a phi sector and of its margins."""

    rows: Tensor  # (n,) int64 of the event's hits
    features: Tensor  # (n, n_names) of them, azimuths measured from the centre
    phi: Tensor  # (n,) rad, from the centre, in [-pi, pi)


def sector_at(features: Tensor, names: Sequence[str], centre: float, half_width: float) -> Sector:
    """The hits, of (n_hits, n_names), within `half_width` rad of the azimuth `centre`."""
    turned = features.clone()
    for name in set(AZIMUTHS) & set(names):
        column = names.index(name)
        turned[:, column] = (features[:, column] - centre + pi) % (2 * pi) - pi
    phi = turned[:, names.index("phi")]
    rows = torch.nonzero(phi.abs() <= half_width).squeeze(1)
    return Sector(rows, turned[rows], phi[rows])


def sectors_of(
    features: Tensor, names: Sequence[str], n_sectors: int, margin: float
) -> Iterator[Sector]:
    """All phi sectors of an event, each with `margin` rad more on either side."""
    for number in range(n_sectors):
        centre = (2 * number + 1) * pi / n_sectors
        yield sector_at(features, names, centre, pi / n_sectors + margin)
