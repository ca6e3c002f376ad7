"""How near fitted track parameters are to the truth, and whether their errors say so."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.matching import match_tracks
from hitgraph.event.event import Event
from hitgraph.event.fits import FittedTracks
from hitgraph.event.perigee import PARAMETERS, true_parameters
from hitgraph.event.selection import SELECTED, Selection
from hitgraph.event.truth import require_particles, require_truth, summarise_particles

Float64 = NDArray[np.float64]

CORE = (0.158655, 0.841345)  # quantiles between which a standard deviation either way lies
TAIL = 5.0  # a pull beyond this is in the tail


@dataclass(frozen=True, eq=False)
class FitQuality:
    """Fitted tracks that match a primary particle, of one event or of several."""

    n_tracks: int  # in the files of fits
    pt: Float64  # (n,) GeV, of the particle
    eta: Float64  # (n,) of the particle
    residual: Float64  # (n, 5) fitted - true, columns PARAMETERS; q/p relative: p_true / p - 1
    pull: Float64  # (n, 5) (fitted - true) / error
    method: str = ""  # who fitted them, where the file says so

    def __len__(self) -> int:
        return len(self.pt)

    def resolution(self, k: int) -> float:
        """Half of the central 68 % of the residuals of parameter k."""
        return half_width(self.residual[:, k])

    def pull_mean(self, k: int) -> float:
        """Median of the pulls of parameter k: tails do not move it."""
        return float(np.median(self.pull[:, k])) if len(self) else float("nan")

    def pull_width(self, k: int) -> float:
        """Half of the central 68 % of the pulls of parameter k; 1 where the errors are right."""
        return half_width(self.pull[:, k])

    def tail(self, k: int) -> float:
        """Fraction of the pulls of parameter k beyond 5."""
        return float((np.abs(self.pull[:, k]) > TAIL).mean()) if len(self) else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "tracks": self.n_tracks,
            "matched_primaries": len(self),
            "parameters": {
                name: {
                    "resolution": _known(self.resolution(k)),
                    "pull_mean": _known(self.pull_mean(k)),
                    "pull_width": _known(self.pull_width(k)),
                    "beyond_5_sigma": _known(self.tail(k)),
                }
                for k, name in enumerate(PARAMETERS)
            },
        }


def fit_quality(
    event: Event,
    labels: NDArray[np.int64],
    fits: FittedTracks,
    selection: Selection = SELECTED,
) -> FitQuality:
    """Compare the fits of one event with the particles that their tracks match (double majority).

    `labels` (n_hits,) is the track of each hit with the numbers of the fits, below 0 for none.
    The charged ones among the primary particles of the selection count. Raises InputError without
    truth.
    """
    truth, particles = require_truth(event), require_particles(event)
    matches = match_tracks(truth.particle_id, labels)
    good_tracks = matches.matched("double majority")
    matched = dict(zip(matches.label[good_tracks], matches.particle_id[good_tracks], strict=True))
    mine = np.array([matched.get(track, 0) for track in fits.track_id], np.int64)
    row = np.minimum(np.searchsorted(particles.particle_id, mine), len(particles) - 1)
    row = np.where(particles.particle_id[row] == mine, row, -1)
    vertex = np.stack([particles.vx, particles.vy, particles.vz], axis=1).astype(np.float64)[row]
    momentum = np.stack([particles.px, particles.py, particles.pz], axis=1).astype(np.float64)[row]
    pt = np.hypot(momentum[:, 0], momentum[:, 1])
    charge = particles.q[row]
    summary = summarise_particles(event)
    counts = selection.mask(summary) & summary.primary & (summary.charge != 0)
    good = (row >= 0) & counts[row]
    vertex, momentum, charge, pt = vertex[good], momentum[good], charge[good], pt[good]
    true = true_parameters(vertex, momentum, charge, fits.field[good])
    difference = fits.parameters[good] - true
    difference[:, 2] = np.arctan2(np.sin(difference[:, 2]), np.cos(difference[:, 2]))
    variance = np.einsum("nii->ni", fits.covariance[good])
    error = np.sqrt(np.where(variance > 0, variance, np.nan))
    residual = difference.copy()
    residual[:, 4] /= true[:, 4]
    return FitQuality(
        n_tracks=len(fits),
        pt=pt,
        eta=np.arcsinh(momentum[:, 2] / pt),
        residual=residual,
        pull=np.nan_to_num(difference / error, nan=np.inf),
    )


def combine_fits(parts: Sequence[FitQuality]) -> FitQuality:
    """The tracks of several events together."""

    def all_of(name: str) -> Float64:
        return np.concatenate([getattr(part, name) for part in parts])

    return FitQuality(
        n_tracks=sum(part.n_tracks for part in parts),
        pt=all_of("pt"),
        eta=all_of("eta"),
        residual=all_of("residual"),
        pull=all_of("pull"),
        method=" and ".join(sorted({part.method for part in parts})),
    )


def half_width(values: Float64) -> float:
    """Half of the distance between the quantiles CORE; NaN for fewer than two values."""
    if len(values) < 2:
        return float("nan")
    low, high = np.quantile(values, CORE)
    return float(high - low) / 2


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
