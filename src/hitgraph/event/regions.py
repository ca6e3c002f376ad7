"""Regions of an event: a range of directions, and the hits that its particles can leave."""

from dataclasses import dataclass
from math import inf, pi

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import SettingsError
from hitgraph.event.event import Event, HitTable
from hitgraph.event.field import CURVATURE
from hitgraph.event.rows import visible

Bool = NDArray[np.bool_]
Float64 = NDArray[np.float64]

MAX_ETA = 4.0  # parts in eta are equally wide up to there, the outermost ones are open
MAX_DIRECTION = 10.0  # of eta, the beam pipe
HALF_WIDTH = 0.4  # of a region of interest in eta and phi, that of a jet
MIN_PT = 0.5  # GeV; particles of more stay within the hits of their region, see docs/regions.md
EDGE = 0.05  # rad, so that hits that compete for a track are there too
TURN = 2 * pi


@dataclass(frozen=True)
class Region:
    """Directions at the beam line. Regions with common bounds have no direction in common."""

    min_eta: float
    max_eta: float  # not in it
    min_phi: float  # rad, from 0 to 2 pi
    max_phi: float  # rad, above min_phi by at most 2 pi; not in it

    def holds(self, eta: Float64, phi: Float64) -> Bool:
        """(n,) which of the directions are in it; phi in rad."""
        around = np.mod(phi, TURN)
        around[around == TURN] = 0.0  # of the smallest negative ones
        inside = (around >= self.min_phi) & (around < self.max_phi)
        inside |= around + TURN < self.max_phi
        chosen: Bool = inside & (eta >= self.min_eta) & (eta < self.max_eta)
        return chosen

    def reaches(
        self,
        hits: HitTable,
        tesla: float,
        beam: tuple[float, float],
        min_pt: float = MIN_PT,
    ) -> Bool:
        """(n_hits,) which hits its particles above `min_pt` (GeV) can leave in a field of `tesla`.

        A particle from the beam line turns by asin(k r / 2) until the radius r, with k its
        curvature, and flies asin(k r / 2) / (k r / 2) times as far. It comes from between the ends
        of `beam`, mm along the beam line; EDGE is added for the hits beside its own.
        """
        r = np.maximum(np.hypot(hits.x.astype(np.float64), hits.y), 1e-6)
        sine = np.clip(CURVATURE * abs(tesla) / min_pt * r / 2, 1e-9, 1.0)
        bend = np.arcsin(sine)
        path = r * bend / sine
        wider = bend + EDGE
        around = np.mod(np.arctan2(hits.y, hits.x) - self.min_phi + wider, TURN)
        low, high = np.sinh(self.min_eta), np.sinh(self.max_eta)
        least, most = np.minimum(low * r, low * path), np.maximum(high * r, high * path)
        reached: Bool = around <= self.max_phi - self.min_phi + 2 * wider
        reached &= (hits.z >= least + beam[0]) & (hits.z <= most + beam[1])
        return reached

    def __str__(self) -> str:
        return f"eta {self.min_eta:g} to {self.max_eta:g}, phi {self.min_phi:g} to {self.max_phi:g}"


@dataclass(frozen=True)
class Regions:
    """Regions that are reconstructed one by one, and down to which pT they take hits."""

    parts: tuple[Region, ...]
    min_pt: float = MIN_PT  # GeV

    def __post_init__(self) -> None:
        if not 0 < self.min_pt < inf:
            raise SettingsError(f"min_pt: {self.min_pt:g} GeV is not allowed: above 0")

    def __str__(self) -> str:
        return f"{'; '.join(map(str, self.parts))}; hits of pT > {self.min_pt:g} GeV"


def region_at(
    eta: float, phi: float, half_eta: float = HALF_WIDTH, half_phi: float = HALF_WIDTH
) -> Region:
    """A region of interest around a direction; phi and `half_phi` in rad.

    Raises SettingsError for what is no direction and no width.
    """
    if abs(eta) > MAX_DIRECTION or abs(phi) > TURN:
        raise SettingsError(
            f"region: eta {eta:g}, phi {phi:g} is no direction: eta from -{MAX_DIRECTION:g} to "
            f"{MAX_DIRECTION:g} and phi from -2 pi to 2 pi are expected"
        )
    if not 0 < half_eta <= MAX_DIRECTION or not 0 < half_phi <= pi:
        raise SettingsError(
            f"region: half widths of {half_eta:g} in eta and {half_phi:g} in phi: above 0 are "
            f"expected, at most {MAX_DIRECTION:g} in eta and pi in phi"
        )
    start = float(np.mod(phi - half_phi, TURN))
    return Region(eta - half_eta, eta + half_eta, start, start + 2 * half_phi)


def parts_of_event(n_phi: int, n_eta: int = 1) -> tuple[Region, ...]:
    """All directions in parts of equal azimuth, and of equal eta up to MAX_ETA."""
    phi = np.linspace(0.0, TURN, n_phi + 1).tolist()
    eta = np.linspace(-MAX_ETA, MAX_ETA, n_eta + 1).tolist()
    eta[0], eta[-1] = -inf, inf
    return tuple(
        Region(eta[j], eta[j + 1], phi[i], phi[i + 1]) for j in range(n_eta) for i in range(n_phi)
    )


def wedge(event: Event, share: float, phi: float = 0.0) -> Event:
    """The hits in a slice of azimuth and nothing else, at the event's own density.

    `phi` is where the slice begins, in rad; particles that leave no hit in it go, and hit weights
    are made anew.
    """
    azimuth = np.mod(np.arctan2(event.hits.y, event.hits.x) - phi, TURN)
    keep = azimuth < TURN * share
    if event.truth is None or event.particles is None:
        return visible(event, keep, None)
    inside = np.isin(event.particles.particle_id, event.truth.particle_id[keep])
    return visible(event, keep, inside)
