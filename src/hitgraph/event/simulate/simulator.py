"""One event from the settings and its number: generate, simulate, add noise, digitise."""

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import MissingExtraError
from hitgraph.event.detector import Detector
from hitgraph.event.event import CellTable, Event, HitTable, ParticleTable, TruthTable
from hitgraph.event.simulate.digitise import Clusters, digitise
from hitgraph.event.simulate.fatras import Crossings, Fatras, build_detector
from hitgraph.event.simulate.generator import Generated, make_source
from hitgraph.event.simulate.geometry import read_geometry
from hitgraph.event.simulate.noise import noise_crossings, number_of_noise_hits
from hitgraph.event.simulate.settings import SimulationSettings
from hitgraph.event.truth import hit_weights


def require_simulation() -> None:
    """Raises MissingExtraError where pyacts or Pythia is not installed; imports neither."""
    if find_spec("acts") is None or find_spec("pythia8mc") is None:
        raise MissingExtraError("simulating events", "sim")


def event_name(number: int) -> str:
    """event000001000 for 1000."""
    return f"event{number:09d}"


class Simulator:
    """Keeps the detector and the generators alive between the events of one process."""

    def __init__(self, settings: SimulationSettings) -> None:
        require_simulation()
        self.settings = settings
        acts_detector = build_detector()
        self.detector, module_row = read_geometry(acts_detector)
        self._fatras = Fatras(acts_detector, module_row)
        self._source = make_source(settings)

    def event(self, number: int) -> Event:
        """Event `number`; the same for the same settings and number, whatever came before."""
        seeds = np.random.SeedSequence([self.settings.seed, number]).spawn(4)
        generation, material, noise, order = seeds
        generated = self._source.generate(np.random.default_rng(generation))
        signal = self._fatras.simulate(
            generated, seed=int(material.generate_state(1, np.uint64)[0] >> 1)
        )
        fakes = noise_crossings(
            self.detector,
            number_of_noise_hits(len(signal), self.settings.noise),
            np.random.default_rng(noise),
        )
        crossings = _merge(signal, fakes, np.random.default_rng(order))
        clusters = digitise(self.detector, crossings.module, crossings.position, crossings.momentum)
        return _event(event_name(number), self.detector, generated, crossings, clusters)


def _merge(signal: Crossings, noise: Crossings, rng: np.random.Generator) -> Crossings:
    """All crossings sorted by module, in random order inside a module."""
    module = np.concatenate([signal.module, noise.module])
    order = np.lexsort((rng.random(len(module)), module))
    return Crossings(
        module=module[order],
        particle_id=np.concatenate([signal.particle_id, noise.particle_id])[order],
        position=np.concatenate([signal.position, noise.position])[order],
        momentum=np.concatenate([signal.momentum, noise.momentum])[order],
    )


def _event(
    name: str,
    detector: Detector,
    generated: Generated,
    crossings: Crossings,
    clusters: Clusters,
) -> Event:
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
