"""Particles, crossings and clusters as the tables of an event."""

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.detector import Detector
from hitgraph.event.event import CellTable, Event, HitTable, ParticleTable, TruthTable
from hitgraph.event.truth import hit_weights
from hitgraph.simulate.crossings import Crossings
from hitgraph.simulate.digitise import Clusters
from hitgraph.simulate.generator import Generated


def make_event(
    name: str,
    detector: Detector,
    generated: Generated,
    crossings: Crossings,
    clusters: Clusters,
) -> Event:
    """The four tables; `crossings` are sorted by module, row i has the cells of hit i."""
    hit_id = np.arange(1, len(crossings) + 1, dtype=np.int64)
    hits = HitTable(
        hit_id=hit_id,
        x=_f32(clusters.position[:, 0]),
        y=_f32(clusters.position[:, 1]),
        z=_f32(clusters.position[:, 2]),
        volume_id=detector.volume_id[crossings.module],
        layer_id=detector.layer_id[crossings.module],
        module_id=detector.module_id[crossings.module],
    )
    cells = CellTable(
        hit_id=hit_id[clusters.hit], ch0=clusters.ch0, ch1=clusters.ch1, value=clusters.value
    )
    row = np.searchsorted(generated.particle_id, crossings.particle_id)
    made_by_particle = crossings.particle_id > 0
    particles = ParticleTable(
        particle_id=generated.particle_id,
        particle_type=generated.pdg.astype(np.int32),
        vx=_f32(generated.vertex[:, 0]),
        vy=_f32(generated.vertex[:, 1]),
        vz=_f32(generated.vertex[:, 2]),
        px=_f32(generated.momentum[:, 0]),
        py=_f32(generated.momentum[:, 1]),
        pz=_f32(generated.momentum[:, 2]),
        q=generated.charge.astype(np.int32),
        nhits=np.bincount(row[made_by_particle], minlength=len(generated)).astype(np.int32),
    )

    def truth(weight: NDArray[np.float32]) -> TruthTable:
        return TruthTable(
            hit_id=hit_id,
            particle_id=crossings.particle_id,
            tx=_f32(crossings.position[:, 0]),
            ty=_f32(crossings.position[:, 1]),
            tz=_f32(crossings.position[:, 2]),
            tpx=_f32(crossings.momentum[:, 0]),
            tpy=_f32(crossings.momentum[:, 1]),
            tpz=_f32(crossings.momentum[:, 2]),
            weight=weight,
        )

    unweighted = Event(name, hits, cells, particles, truth(np.zeros(len(hits), np.float32)))
    return Event(name, hits, cells, particles, truth(hit_weights(unweighted)), detector)


def _f32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return values.astype(np.float32)
