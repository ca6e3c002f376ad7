"""Particles sorted into bins of what may make them hard to find."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.metrics import STIFF
from hitgraph.evaluation.tables import range_of
from hitgraph.event.event import Event
from hitgraph.event.selection import Selection
from hitgraph.event.truth import ParticleSummary

Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

MIN_SCORED_HITS = 4  # particles with fewer hits have no TrackML weight

BINS: dict[str, tuple[float, ...]] = {
    "pT [GeV]": (0, 0.2, 0.3, 0.5, 0.7, 1, 2, 5, np.inf),
    "|eta|": (0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, np.inf),
    "hits": (1, 4, 5, 6, 8, 10, 12, 15, np.inf),
    "production radius [mm]": (0, 2, 10, 30, 60, 100, 200, 500, np.inf),
    "noise hits on its modules": (0, 1, 2, 3, 5, 8, np.inf),
    "modules with several of its hits": (0, 1, 2, np.inf),
}
"""Lower ends of the bins; a bin holds its lower end and not its upper one."""
COUNTS = ("hits", "noise hits on its modules", "modules with several of its hits")
SELECTION, ALL = "selection", "all"


def particle_groups(
    event: Event, particles: ParticleSummary, row: Int64, selection: Selection
) -> dict[str, dict[str, Bool]]:
    """Masks (n_particles,) by variable and bin; `row` (n_hits,) particle of each hit, -1 noise.

    The group "selection" has all particles of the selection, those of them with at least 4 hits,
    and those above 0.5 GeV. Bins hold particles of the selection only.
    """
    noise, shared = _module_counts(event, row, len(particles))
    values = (
        particles.pt,
        np.abs(particles.eta),
        particles.n_hits,
        particles.vertex_radius,
        noise,
        shared,
    )
    selected, stiff = selection.mask(particles), selection.above(STIFF)
    groups = {
        SELECTION: {
            ALL: selected,
            f"at least {MIN_SCORED_HITS} hits": selected & (particles.n_hits >= MIN_SCORED_HITS),
            range_of(stiff): stiff.mask(particles),
        }
    }
    for (name, ends), value in zip(BINS.items(), values, strict=True):
        groups[name] = {
            _label(low, high, name in COUNTS): selected & (value >= low) & (value < high)
            for low, high in pairwise(ends)
        }
    return groups


def _label(low: float, high: float, whole: bool) -> str:
    if high == np.inf:
        return f"from {low:g}"
    if whole and high == low + 1:
        return f"{low:g}"
    return f"{low:g} to {high - 1:g}" if whole else f"{low:g} to {high:g}"


def _module_counts(event: Event, row: Int64, n_particles: int) -> tuple[Int64, Int64]:
    """(n_particles,) noise hits on the modules a particle hit; modules with several of its hits."""
    hits = event.hits
    module = np.unique(
        np.stack([hits.volume_id, hits.layer_id, hits.module_id]), axis=1, return_inverse=True
    )[1].reshape(-1)
    n_modules = int(module.max()) + 1
    noise_on = np.bincount(module[row < 0], minlength=n_modules)
    real = row >= 0
    visit, count = np.unique(row[real] * n_modules + module[real], return_counts=True)
    particle, visited = np.divmod(visit, n_modules)
    noise = np.bincount(particle, noise_on[visited], n_particles).astype(np.int64)
    shared = np.bincount(particle[count > 1], minlength=n_particles)
    return noise, shared
