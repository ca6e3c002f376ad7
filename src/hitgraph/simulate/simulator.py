"""One event from the settings and its number: generate, simulate, add noise, digitise."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np

from hitgraph.errors import MissingExtraError
from hitgraph.event.event import Event
from hitgraph.event.store import hard_collision_made
from hitgraph.simulate.digitise import digitise, response_of
from hitgraph.simulate.fatras import Crossings, Fatras, build_detector, concatenate, cosine
from hitgraph.simulate.generator import make_source
from hitgraph.simulate.geometry import read_geometry
from hitgraph.simulate.merge import merge_touching
from hitgraph.simulate.noise import noise_crossings, number_of_noise_hits
from hitgraph.simulate.propagate import propagate
from hitgraph.simulate.settings import SimulationSettings
from hitgraph.simulate.tables import make_event


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
        detector, module_row = read_geometry(acts_detector)
        self.detector = replace(detector, field=settings.field)
        self._fatras = Fatras(acts_detector, module_row, settings.field)
        self._source = make_source(settings)
        self._response = response_of(settings)

    def event(self, number: int) -> Event:
        """Event `number`; the same for the same settings and number, whatever came before."""
        seeds = np.random.SeedSequence([self.settings.seed, number]).spawn(6)
        generation, material, noise, order, nuclear, sensors = seeds
        generated = self._source.generate(np.random.default_rng(generation))
        particles, signal = propagate(
            self._fatras,
            self.detector,
            generated,
            self.settings.effects,
            seed=int(material.generate_state(1, np.uint64)[0] >> 1),
            rng=np.random.default_rng(nuclear),
        )
        steep = self.settings.effects.min_cosine
        if steep > 0:
            signal = signal.where(cosine(self.detector, signal) >= steep)
        fakes = noise_crossings(
            self.detector,
            number_of_noise_hits(len(signal), self.settings.noise),
            np.random.default_rng(noise),
            steep,
        )
        crossings = _merge(signal, fakes, np.random.default_rng(order))
        clusters = digitise(
            self.detector,
            crossings.module,
            crossings.position,
            crossings.momentum,
            self._response,
            np.random.default_rng(sensors),
        )
        if self.settings.merge:
            crossings, clusters = merge_touching(self.detector, crossings, clusters, self._response)
        event = make_event(event_name(number), self.detector, particles, crossings, clusters)
        hard = hard_collision_made({"settings": self.settings.to_dict()}, event.name)
        return replace(event, field=self.settings.field, hard_collision=hard)


def _merge(signal: Crossings, noise: Crossings, rng: np.random.Generator) -> Crossings:
    """All crossings sorted by module, in random order inside a module."""
    both = concatenate([signal, noise])
    return both.where(np.lexsort((rng.random(len(both)), both.module)))
