"""An LSTM that follows a particle from hit to hit (arXiv 1810.06111, HEP.TrkX).

It reads the hits of a track, from the inner one on, and says where the next hit lies at a radius
that it is asked for: a Gaussian in azimuth and z, with its covariance.

Where the track goes about the beam line the network does not see: azimuths are counted from that of
the first hit.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hitgraph.lessons.settings import check_at_least
from hitgraph.nn.blocks import Standardise, mlp
from hitgraph.tracks.helix import wrap

# of a hit of a track: of itself, from the first hit, and each way from the hit before
INPUTS = ("r", "phi", "z", "z_first", "dr", "dphi/dr", "dz/dr")  # m, rad
SPREAD = (-8.0, 6.0)  # of the logarithm of the errors, in units of `scale`
Memory = tuple[Tensor, Tensor]  # what the LSTM keeps of each track


class Places(NamedTuple):
    """Of hits, (...,) each."""

    r: Tensor  # m
    phi: Tensor  # rad
    z: Tensor  # m


class Gaussian(NamedTuple):
    """Where a hit is expected, (...,) each, from the last hit on."""

    dphi: Tensor  # rad
    dz: Tensor  # m
    phi_error: Tensor
    z_error: Tensor
    correlation: Tensor

    def chi2(self, dphi: Tensor, dz: Tensor) -> Tensor:
        """Of hits found there; two degrees of freedom."""
        u = (dphi - self.dphi) / self.phi_error
        v = (dz - self.dz) / self.z_error
        rest = 1 - self.correlation.square()
        return (u.square() - 2 * self.correlation * u * v + v.square()) / rest

    def log_determinant(self) -> Tensor:
        """Of the covariance."""
        errors = 2 * (self.phi_error.log() + self.z_error.log())
        return errors + torch.log1p(-self.correlation.square())


def places_of(position: Tensor) -> Places:
    """Of hits at (..., 3) mm."""
    x, y, z = (position.float() / 1000).unbind(-1)
    return Places(torch.hypot(x, y), torch.atan2(y, x), z)


def inputs_of(places: Places) -> Tensor:
    """(n_tracks, n, 7) INPUTS of the hits of tracks, (n_tracks, n) each."""
    r, phi, z = places
    dr = torch.diff(r, dim=1, prepend=r[:, :1])
    ways = [
        wrap(torch.diff(phi, dim=1, prepend=phi[:, :1])),
        torch.diff(z, dim=1, prepend=z[:, :1]),
    ]
    slopes = [torch.where(dr > 0, way / dr.clamp_min(1e-6), 0.0) for way in ways]
    first = z[:, :1].expand_as(z)
    columns = [r, wrap(phi - phi[:, :1]), z - first, first, dr, *slopes]
    return torch.stack(columns, dim=2)


@dataclass(frozen=True)
class LstmNetworkSettings:
    """Sizes of the network."""

    hidden: int = 64  # numbers that it keeps of a track

    def __post_init__(self) -> None:
        check_at_least(self, hidden=1)


class Follower(nn.Module):
    """Reads the hits of tracks, and says where the next ones are."""

    scale: Tensor

    def __init__(self, settings: LstmNetworkSettings) -> None:
        super().__init__()
        self.standardise = Standardise(len(INPUTS))
        # of the changes of dphi/dr and dz/dr from one layer to the next
        self.register_buffer("scale", torch.ones(2))
        self.lstm = nn.LSTM(len(INPUTS), settings.hidden, batch_first=True)
        self.head = mlp([settings.hidden + 1, settings.hidden, 5])

    def read(self, inputs: Tensor, memory: Memory | None = None) -> tuple[Tensor, Memory]:
        """(n_tracks, n, 7) -> (n_tracks, n, hidden) known after each hit, and the memory."""
        known, memory = self.lstm(self.standardise(inputs), memory)
        return known, memory

    def expect(self, known: Tensor, slopes: Tensor, dr: Tensor) -> Gaussian:
        """Where the hit is, `dr` (...,) m farther out than the last one.

        known (..., hidden) as read; slopes (..., 2) dphi/dr and dz/dr between the last two hits.
        """
        a, b, s, t, c = self.head(torch.cat([known, dr[..., None]], dim=-1)).float().unbind(-1)
        phi_scale, z_scale = self.scale
        return Gaussian(
            dr * (slopes[..., 0] + phi_scale * a),
            dr * (slopes[..., 1] + z_scale * b),
            dr * phi_scale * s.clamp(*SPREAD).exp(),
            dr * z_scale * t.clamp(*SPREAD).exp(),
            0.99 * torch.tanh(c),
        )
