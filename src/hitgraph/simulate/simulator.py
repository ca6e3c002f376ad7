"""One event from the settings and its number: generate, simulate, add noise, digitise."""

from dataclasses import replace

import numpy as np

from hitgraph.event.event import Event
from hitgraph.event.store import hard_collision_made
from hitgraph.simulate.crossings import Crossings, concatenate, cosine
from hitgraph.simulate.digitise import digitise, response_of
from hitgraph.simulate.generator import make_source
from hitgraph.simulate.merge import merge_touching
from hitgraph.simulate.needs import require_simulation
from hitgraph.simulate.noise import noise_crossings, number_of_noise_hits
from hitgraph.simulate.propagate import propagate
from hitgraph.simulate.settings import SimulationSettings
from hitgraph.simulate.stepping import detector_of, stepping_of
from hitgraph.simulate.tables import make_event


def event_name(number: int) -> str:
    """event000001000 for 1000."""
    return f"event{number:09d}"


class Simulator:
    """Keeps the detector and the generators alive between the events of one process."""

    def __init__(self, settings: SimulationSettings) -> None:
        require_simulation(settings)
        self.settings = settings
        self.detector = detector_of(settings)
        self._stepping = stepping_of(settings)
        self._source = make_source(settings)
        self._response = response_of(settings.effects, settings.field)

    def event(self, number: int) -> Event:
        """Event `number`; the same for the same settings and number, whatever came before."""
        seeds = np.random.SeedSequence([self.settings.seed, number]).spawn(6)
        generation, material, noise, order, nuclear, sensors = seeds
        generated = self._source.generate(np.random.default_rng(generation))
        particles, signal = propagate(
            self._stepping,
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
        if self.settings.detector is not None and self.settings.detector.space_points:
            from hitgraph.hits.strips.points import event_of_points  # torch takes long to import

            event = event_of_points(event, self.detector)
        hard = hard_collision_made({"settings": self.settings.to_dict()}, event.name)
        return replace(event, field=self.settings.field, hard_collision=hard)


def _merge(signal: Crossings, noise: Crossings, rng: np.random.Generator) -> Crossings:
    """All crossings sorted by module, in random order inside a module."""
    both = concatenate([signal, noise])
    return both.where(np.lexsort((rng.random(len(both)), both.module)))
