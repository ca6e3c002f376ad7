"""What is in an event, in a few numbers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hitgraph.event.event import Event, ParticleTable, TruthTable

if TYPE_CHECKING:
    from hitgraph.event.crossed import Crossed

MAX_ABS_ETA = 4.0  # of the particles that are counted
PT_THRESHOLDS = (0.1, 0.5, 1.0)  # GeV


@dataclass(frozen=True)
class EventSummary:
    """Counts of one event; None where it has no such table."""

    event: str
    hits: int
    cells: int | None
    particles: int | None
    particles_above_pt: dict[float, int] | None  # charged, |eta| < 4; keys in GeV
    noise_fraction: float | None  # hits of no particle / hits; None also without any hits
    weight_sum: float | None  # 1 for a full event, less for a thinned one
    hits_per_volume: dict[int, int]
    modules: int | None  # in the detectors table
    field: str | None  # name of the magnetic field
    crossed: "Crossed | None"  # of an event of space points with truth


def summarise(event: Event) -> EventSummary:
    """Count what an event holds."""
    volumes, counts = np.unique(event.hits.volume_id, return_counts=True)
    truth, particles, detector = event.truth, event.particles, event.detector
    return EventSummary(
        event=event.name,
        hits=event.n_hits,
        cells=None if event.cells is None else len(event.cells),
        particles=None if particles is None else len(particles),
        particles_above_pt=None if particles is None else _above_pt(particles),
        noise_fraction=_noise_fraction(truth),
        weight_sum=None if truth is None else float(truth.weight.sum(dtype=np.float64)),
        hits_per_volume=dict(zip(volumes.tolist(), counts.tolist(), strict=True)),
        modules=None if detector is None else detector.n_modules,
        field=None if event.field is None else event.field.name,
        crossed=_crossed(event),
    )


def _crossed(event: Event) -> "Crossed | None":
    if event.clusters is None:
        return None
    from hitgraph.event.crossed import count_crossed  # compiles kernels of the truth

    return count_crossed(event)


def _noise_fraction(truth: TruthTable | None) -> float | None:
    return float(np.mean(truth.particle_id == 0)) if truth is not None and len(truth) else None


def _above_pt(particles: ParticleTable) -> dict[float, int]:
    pt = np.hypot(particles.px, particles.py)
    # |eta| < limit, as |pz| < pT sinh(limit): no division for particles along the beam
    counted = (particles.q != 0) & (np.abs(particles.pz) < pt * np.sinh(MAX_ABS_ETA))
    return {threshold: int((counted & (pt > threshold)).sum()) for threshold in PT_THRESHOLDS}
