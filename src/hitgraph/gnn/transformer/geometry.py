"""What two hits say about a track through both, for attention and masks."""

from math import pi

import torch
from torch import Tensor, nn

from hitgraph.nn.blocks import mlp

__all__ = ["PairBias"]

LIMIT = 4.0  # of every feature; 4 in the first: 0.2 rad


class PairBias(nn.Module):
    """An MLP on the geometry of two hits: how well they fit on one track.

    A bias of attention as in arXiv 2103.14030, equation 4, but of positions that are measured. Of
    each pair: azimuth difference, differences of r and z, slope dz / dr, where the line through
    both crosses the beam line, and dphi / dr, which is half the curvature.
    """

    def __init__(self, outputs: int, hidden: int = 16) -> None:
        super().__init__()
        self.layers = mlp([6, hidden, hidden, outputs])

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """(..., 3) r, phi, z in mm and rad of either hit -> (..., outputs)."""
        (r, phi, z), (r2, phi2, z2) = one.unbind(-1), other.unbind(-1)
        dphi = (phi2 - phi + pi) % (2 * pi) - pi
        dr, dz = r2 - r, z2 - z
        run = torch.where(dr.abs() < 1, torch.where(dr < 0, -1.0, 1.0), dr)
        slope = dz / run
        columns = [
            20 * dphi,
            0.02 * dr,
            torch.asinh(0.02 * dz),
            torch.asinh(slope),
            0.01 * (z - r * slope),
            2000 * dphi / run,
        ]
        fits: Tensor = self.layers(torch.stack(columns, dim=-1).clamp(-LIMIT, LIMIT))
        return fits
