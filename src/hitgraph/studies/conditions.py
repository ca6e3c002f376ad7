"""The conditions of the study `robustness`: what is made of an event, and what is simulated."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from hitgraph.event.event import Event
from hitgraph.event.field import scaled
from hitgraph.event.source import EventSource
from hitgraph.pipeline import Pipeline
from hitgraph.simulate.settings import CARD, ParticleGun, SimulationSettings
from hitgraph.studies.changes import (
    overlaid,
    with_dead_modules,
    with_inefficiency,
    with_misaligned_modules,
)
from hitgraph.studies.noise import noisy, preset_of_noise
from hitgraph.studies.readout import (
    with_coarser_pixels,
    with_digital_readout,
    with_scaled_charge,
)
from hitgraph.studies.scan import Change, Changed, unchanged

UNMODIFIED, NOMINAL, OVERLAY = "unmodified", "nominal", "overlay"

GUN_PARTICLES = 100  # an event
DIJETS = ("HardQCD:all = on", "PhaseSpace:pTHatMin = 100.")

Make = Callable[[Pipeline, Event, np.random.Generator], Changed]
Settings = Callable[[SimulationSettings], SimulationSettings]


@dataclass(frozen=True)
class Condition:
    """One row of the table that is made from an event."""

    title: str
    make: Make
    per_event: bool = False  # chance differs from event to event; else one detector for all


@dataclass(frozen=True)
class Simulated:
    """One row of the table that has to be simulated."""

    title: str
    settings: Settings  # of the sample, from those of the nominal one
    compared: bool = True  # with the nominal sample


def _dead(pipeline: Pipeline, event: Event, rng: np.random.Generator) -> Changed:
    return pipeline, with_dead_modules(event, pipeline.detector, 0.1, rng)


def _inefficient(pipeline: Pipeline, event: Event, rng: np.random.Generator) -> Changed:
    return pipeline, with_inefficiency(event, 0.1, rng)


def _misaligned(
    pipeline: Pipeline, event: Event, rng: np.random.Generator, *, size: float
) -> Changed:
    return pipeline, with_misaligned_modules(event, pipeline.detector, size, rng)


def _digital(pipeline: Pipeline, event: Event, _: np.random.Generator) -> Changed:
    return pipeline, with_digital_readout(event, pipeline.detector)


def _scaled(pipeline: Pipeline, event: Event, _: np.random.Generator, *, factor: float) -> Changed:
    return pipeline, with_scaled_charge(event, pipeline.detector, factor)


def _coarser(pipeline: Pipeline, event: Event, _: np.random.Generator) -> Changed:
    changed, table = with_coarser_pixels(event, pipeline.detector)
    return pipeline.rebuilt(detector=table), changed


CONDITIONS = {
    "dead-modules": Condition("dead modules 10 %", _dead),
    "inefficiency": Condition("hit inefficiency 10 %", _inefficient, per_event=True),
    "misaligned-200": Condition("modules misaligned by 200 um", partial(_misaligned, size=0.2)),
    "misaligned-500": Condition("modules misaligned by 500 um", partial(_misaligned, size=0.5)),
    "digital": Condition("digital read-out", _digital),
    "charge-0.8": Condition("charge x 0.8", partial(_scaled, factor=0.8)),
    "charge-1.2": Condition("charge x 1.2", partial(_scaled, factor=1.2)),
    "coarse": Condition("pixels twice as coarse", _coarser),
}
"""Rows made from one event, by the name that `--changes` takes."""
NOISE, NOISE_FRACTION = "noise", 0.4
OVERLAY_TITLE = "two events laid over each other"
CHANGES = (*CONDITIONS, NOISE, OVERLAY)


def changes(
    names: tuple[str, ...], source: EventSource, partner: EventSource | None, seed: int
) -> list[Change]:
    """The unmodified event, then what is made of it; the variant of a change is its name.

    `partner` is the event that is laid over it; without one that row is left out.
    """
    made = [Change(0.0, unchanged, UNMODIFIED)]
    for name in names:
        if name in CONDITIONS:
            made.append(Change(0.0, partial(_made, condition=CONDITIONS[name], seed=seed), name))
        elif name == NOISE:
            preset = preset_of_noise(source)
            one = partial(noisy, fraction=NOISE_FRACTION, seed=seed, preset=preset)
            made.append(Change(NOISE_FRACTION, one, name))
        elif partner is not None:
            made.append(Change(0.0, partial(_overlaid, partner=partner), name))
    return made


def _made(pipeline: Pipeline, event: Event, condition: Condition, seed: int) -> Changed:
    numbers = [seed, event.number] if condition.per_event else [seed]
    return condition.make(pipeline, event, np.random.default_rng(numbers))


def _overlaid(pipeline: Pipeline, event: Event, partner: EventSource) -> Changed:
    return pipeline, overlaid(event, partner.read(cells=pipeline.recipe.clusters))


def _with(**values: object) -> Settings:
    return lambda base: replace(base, **values)  # type: ignore[arg-type]


def _field(factor: float) -> Settings:
    return lambda base: replace(base, field=scaled(base.field, factor))


def _gun(pdg: int, low: float, high: float) -> Settings:
    gun = ParticleGun(particles=GUN_PARTICLES, pdg=pdg, min_pt=low, max_pt=high)
    return _with(gun=gun, hard="none", pileup=0.0)


SAMPLES = {
    NOMINAL: Simulated("as simulated", _with()),
    "beam-x-1mm": Simulated("beam spot moved by 1 mm in x", _with(beam_centre=(1.0, 0.0, 0.0))),
    "beam-z-100mm": Simulated(
        "beam spot moved by 100 mm in z", _with(beam_centre=(0.0, 0.0, 100.0))
    ),
    "beam-wide": Simulated("beam spot of 150 mm", _with(beam_sigma_z=150.0)),
    "field-0.98": Simulated("field x 0.98", _field(0.98)),
    "field-1.02": Simulated("field x 1.02", _field(1.02)),
    "polarity": Simulated("field reversed", _field(-1.0)),
    "pileup-20": Simulated("pile-up 20", _with(pileup=20.0)),
    "pileup-400": Simulated("pile-up 400", _with(pileup=400.0)),
    "dijets": Simulated("dijets above 100 GeV", _with(hard=CARD, card=DIJETS)),
    **{
        f"{name}-{low:g}-{high:g}": Simulated(
            f"{name} of {low:g} to {high:g} GeV alone", _gun(pdg, low, high), compared=False
        )
        for name, pdg in (("muons", 13), ("electrons", 11), ("pions", 211))
        for low, high in ((0.2, 1.0), (1.0, 10.0), (10.0, 100.0))
    },
}
"""Rows that are simulated, by the name that `--simulate` takes."""

TITLES = {
    UNMODIFIED: "unmodified",
    **{name: one.title for name, one in CONDITIONS.items()},
    NOISE: "noise 40 % of all hits",
    OVERLAY: OVERLAY_TITLE,
    **{name: one.title for name, one in SAMPLES.items()},
}
