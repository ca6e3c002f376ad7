"""Parameters of tracks from a network: what a helix fit leaves, corrected, with new errors.

The network sees how well each hit suits the fit of the hits outside it, summed over the hits of a
track, and what the track is like. It answers in units of the fit's own errors: with the Cholesky
factor L of the fit's covariance, the whitened difference w = L^-1 (true - fitted) is taken to be
Gaussian, with the mean m and the inverse covariance A^T A, A lower triangular; the loss is the
negative logarithm of that likelihood (arXiv 1910.14215). The new parameters are fitted + L m, their
covariance is L A^-1 A^-T L^T. With m = 0 and A = 1 they are those of the fit.

Where the track goes about the beam line, and of which sign its charge and its direction along the
beam are, the network does not see: turned and mirrored events give turned and mirrored parameters.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hitgraph.lessons.settings import check_at_least
from hitgraph.nn.blocks import Standardise, mlp, sum_at
from hitgraph.state import State
from hitgraph.tracks.helix import wrap

N = 5  # parameters
HIT_FEATURES = ("pull_aside", "pull_along", "r", "z")  # 1, 1, m, m
TRACK_FEATURES = (
    "log_p",  # of the momentum over 1 GeV
    "eta",
    "hits",  # 10
    "log_chi2",  # over the degrees of freedom
    *("log_d0", "log_z0", "log_phi", "log_theta", "log_qop"),  # errors; that of q/p is relative
)
LARGEST_PULL, LARGEST_CORRECTION = 8.0, 8.0  # errors of the fit
_TINY = 1e-12


@dataclass(frozen=True)
class RegressionNetworkSettings:
    """Sizes of the network."""

    hidden: int = 64  # width of the hidden layers
    layers: int = 2  # hidden layers, of the hits and again of the tracks

    def __post_init__(self) -> None:
        check_at_least(self, hidden=1, layers=1)


class RegressionNetwork(nn.Module):
    """Mean and Cholesky factor of the inverse covariance of the whitened differences."""

    def __init__(self, settings: RegressionNetworkSettings) -> None:
        super().__init__()
        widths = [settings.hidden] * settings.layers
        self.hit_scale = Standardise(len(HIT_FEATURES))
        self.track_scale = Standardise(len(TRACK_FEATURES))
        self.of_hits = mlp([len(HIT_FEATURES) + len(TRACK_FEATURES), *widths])
        n_in = settings.hidden + len(TRACK_FEATURES)
        self.of_tracks = mlp([n_in, *widths, N + N * (N + 1) // 2])
        last = self.of_tracks[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)  # begins as the fit
        nn.init.zeros_(last.bias)

    def forward(self, hits: Tensor, tracks: Tensor, track: Tensor) -> tuple[Tensor, Tensor]:
        """(n, hit features), (n_tracks, track features), (n,) track of each hit -> m (n_tracks, 5)
        and A (n_tracks, 5, 5)."""
        tracks = self.track_scale(tracks)
        states = torch.relu(self.of_hits(torch.cat([self.hit_scale(hits), tracks[track]], dim=1)))
        pooled = sum_at(states, track, len(tracks)) / 10
        out = self.of_tracks(torch.cat([pooled, tracks], dim=1)).float()
        mean, entries = out[:, :N], out[:, N:]
        row, column = torch.tril_indices(N, N, device=out.device)
        diagonal = row == column
        entries = torch.where(diagonal, entries.clamp(-4, 4).exp(), entries)
        factor = out.new_zeros(len(out), N, N)
        factor[:, row, column] = entries
        return mean.clamp(-LARGEST_CORRECTION, LARGEST_CORRECTION), factor


class Inputs(NamedTuple):
    """What the network sees of an event, and what leads back from its answer."""

    hits: Tensor  # (n, hit features) float32
    tracks: Tensor  # (n_tracks, track features) float32
    track: Tensor  # (n,) int64 track of each hit
    cholesky: Tensor  # (n_tracks, 5, 5) float64, L, of the covariance seen with positive signs
    signs: Tensor  # (n_tracks, 5) float64, 1 or -1: what mirrors make of the parameters


def inputs_of(state: State) -> Inputs:
    """From the columns that a helix fit has left."""
    assert state.labels is not None
    rows = torch.nonzero(state.labels >= 0).squeeze(1)
    track = state.labels[rows]
    fitted, covariance = state.track["parameters"], state.track["covariance"]
    theta, qop = fitted[:, 3], fitted[:, 4]
    charge = torch.where(qop < 0, -1.0, 1.0).double()
    side = torch.where(theta > torch.pi / 2, -1.0, 1.0).double()
    one = torch.ones_like(charge)
    signs = torch.stack([charge, side, charge, side, charge], dim=1)
    ndf = state.track["ndf"]
    error = covariance.diagonal(dim1=1, dim2=2).clamp(min=_TINY**2).sqrt()
    scale = torch.stack([one, one, one, one, qop.abs().clamp(min=1e-4)], dim=1)
    tracks = torch.cat(
        [
            -qop.abs().clamp(min=1e-4).log()[:, None],
            torch.atanh((side * theta.cos()).clamp(0, 1 - 1e-6))[:, None],
            (ndf[:, None] + N) / 20,
            (state.track["chi2"] / ndf.clamp(min=1)).clamp(1e-3, 1e3).log()[:, None],
            (error / scale).log(),
        ],
        dim=1,
    )
    pull = state.hit["pull"][rows].clamp(-LARGEST_PULL, LARGEST_PULL)
    position = state.hits.position[rows].float() / 1000
    turned = torch.stack([charge[track], side[track]], dim=1).float()
    r, z = position[:, :2].norm(dim=1), turned[:, 1] * position[:, 2]
    seen = signs[:, :, None] * covariance * signs[:, None, :]
    cholesky, failed = torch.linalg.cholesky_ex(seen)
    spread = torch.diag_embed(error)  # where rounding has left no covariance
    return Inputs(
        torch.cat([pull * turned, r[:, None], z[:, None]], dim=1),
        tracks.float(),
        track,
        torch.where((failed > 0)[:, None, None], spread, cholesky),
        signs,
    )


def corrected(
    fitted: Tensor, inputs: Inputs, mean: Tensor, factor: Tensor
) -> tuple[Tensor, Tensor]:
    """Parameters (n_tracks, 5) and their covariance by what the network answers."""
    sign, lower = inputs.signs, inputs.cholesky
    found = fitted + sign * (lower @ mean.double()[:, :, None])[:, :, 0]
    found[:, 2] = wrap(found[:, 2])
    inverse = torch.linalg.solve_triangular(
        factor.double(), torch.eye(N, dtype=torch.float64, device=lower.device), upper=False
    )
    half = sign[:, :, None] * (lower @ inverse)
    covariance = half @ half.mT
    return found, (covariance + covariance.mT) / 2


def whitened(true: Tensor, fitted: Tensor, inputs: Inputs) -> Tensor:
    """(n_tracks, 5) float32 w of true parameters (n_tracks, 5)."""
    difference = true.double() - fitted
    difference[:, 2] = wrap(difference[:, 2])
    difference = (inputs.signs * difference)[:, :, None]
    solved: Tensor = torch.linalg.solve_triangular(inputs.cholesky, difference, upper=False)
    return solved[:, :, 0].float()
