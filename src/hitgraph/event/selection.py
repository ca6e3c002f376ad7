"""Which particles count: one selection for truth, tuning, evaluation, reports and studies."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.event import Event
from hitgraph.event.truth import (
    PRIMARY_RADIUS,
    ParticleSummary,
    particle_rows,
    require_truth,
    same_particle,
    summarise_particles,
)
from hitgraph.settings import parse, to_dict

Bool = NDArray[np.bool_]

RECONSTRUCTABLE_HITS = 5
# pairs of fields, and the unit of their values
RANGES = (("pt", "GeV"), ("abs_eta", ""), ("radius", "mm"), ("hits", "hits"))


@dataclass(frozen=True)
class Selection:
    """Which particles count. The defaults are the selected particles of arXiv 2103.06995.

    Raises SettingsError for a range that holds nothing and a code that is none.
    """

    min_pt: float = 0.1  # GeV; particles have more
    max_pt: float | None = None  # GeV, at most
    min_abs_eta: float = 0.0  # pseudorapidity without its sign, at least
    max_abs_eta: float | None = 4.0  # below
    min_radius: float = 0.0  # mm from the beam line, where they were born, at least
    max_radius: float | None = None  # mm, at most
    primary_only: bool = False  # born within 2 mm of the beam line
    pdg: tuple[int, ...] = ()  # PDG codes, each of a particle and its antiparticle; none = all
    min_hits: int = 0  # in the event, at least
    max_hits: int | None = None  # at most
    charged_only: bool = True  # leave out neutral ones
    hard_process_only: bool = False  # of the hard process or the gun, for simulated events

    def __post_init__(self) -> None:
        for name, unit in RANGES:
            low, high = getattr(self, f"min_{name}"), getattr(self, f"max_{name}")
            if low < 0:
                found = f"{low:g} {unit}".rstrip()
                raise SettingsError(f"min_{name}: {found} is not allowed, at least 0")
            if high is not None and not (low <= high if name in ("radius", "hits") else low < high):
                raise SettingsError(
                    f"max_{name}: {high:g} {unit}".rstrip() + f" is not above min_{name}, {low:g}"
                )
        if self.primary_only and self.min_radius > PRIMARY_RADIUS:
            raise SettingsError(
                f"min_radius: {self.min_radius:g} mm has no primary particle, which are born "
                f"within {PRIMARY_RADIUS:g} mm of the beam line: leave out primary_only"
            )
        for code in self.pdg:
            if not isinstance(code, int) or code <= 0:
                raise SettingsError(
                    f"pdg: {code!r} is not allowed: a PDG code from 1, for example 13, which "
                    "stands for the antiparticle too"
                )

    def mask(self, particles: ParticleSummary) -> Bool:
        """(n_particles,) whether each particle passes.

        Raises InputError where PDG codes or the hard process are asked for and the event does not
        tell them.
        """
        pt, eta = particles.pt, np.abs(particles.eta)
        keep = (pt > self.min_pt) & (eta >= self.min_abs_eta)
        keep &= (particles.vertex_radius >= self.min_radius) & (particles.n_hits >= self.min_hits)
        for value, most in (
            (pt, self.max_pt),
            (particles.vertex_radius, self.max_radius),
            (particles.n_hits, self.max_hits),
        ):
            if most is not None:
                keep &= value <= most
        if self.max_abs_eta is not None:
            keep &= eta < self.max_abs_eta
        if self.primary_only:
            keep &= particles.primary
        if self.charged_only:
            keep &= particles.charge != 0
        if self.pdg:
            keep &= np.isin(np.abs(_codes(particles)), self.pdg)
        if self.hard_process_only:
            keep &= _of_hard_process(particles)
        chosen: Bool = keep
        return chosen

    def reconstructable(self, particles: ParticleSummary) -> Bool:
        """(n_particles,) whether each particle passes and left at least five hits."""
        enough: Bool = particles.n_hits >= RECONSTRUCTABLE_HITS
        return self.mask(particles) & enough

    def above(self, pt: float) -> "Selection":
        """The same above that pT in GeV, where the selection does not end below it."""
        ends_below = self.max_pt is not None and self.max_pt <= pt
        return self if ends_below else replace(self, min_pt=max(self.min_pt, pt))

    def __str__(self) -> str:
        """As tables name it, for example "pT > 0.1 GeV, |eta| < 4"."""
        parts = [
            _range("pT", self.min_pt, self.max_pt, "GeV"),
            _range("|eta|", self.min_abs_eta, self.max_abs_eta),
            _range("born at r", self.min_radius, self.max_radius, "mm"),
            "primary" if self.primary_only else "",
            f"PDG {', '.join(map(str, self.pdg))}" if self.pdg else "",
            _range("hits", self.min_hits, self.max_hits),
            "" if self.charged_only else "neutral too",
            "hard process" if self.hard_process_only else "",
        ]
        return ", ".join(part for part in parts if part) or "all charged particles"


SELECTED = Selection()
"""What evaluations, reports and studies take where nothing is said."""
TARGETS = Selection(min_pt=0.0, max_abs_eta=None, min_hits=3)
"""What the `truth` of a recipe takes where it says nothing."""
ALL_PARTICLES = Selection(min_pt=0.0, max_abs_eta=None, charged_only=False)


def selection_of(words: Iterable[str], base: Selection = SELECTED) -> Selection:
    """`base` with what words like "min_pt=1", "pdg=11,13" or "primary_only" change.

    The keys are the fields of Selection, the values as in a recipe. Raises SettingsError.
    """
    values = to_dict(base)
    for word in words:
        key, equals, text = word.partition("=")
        found = [_value(part) for part in text.split(",")] if equals else [True]
        values[key] = found if key == "pdg" or len(found) > 1 else found[0]
    return parse(Selection, values, "select")


def selected_hits(event: Event, selection: Selection) -> Bool:
    """(n_hits,) whether the particle of each hit passes the selection. False for noise."""
    rows = particle_rows(event)
    passes = np.append(selection.mask(summarise_particles(event)), False)  # row -1 is noise
    chosen: Bool = passes[rows]
    return chosen


def selected_edges(
    event: Event, edge_index: NDArray[np.integer], selection: Selection
) -> NDArray[np.bool_]:
    """(n_edges,) whether an edge joins two hits of one particle that passes the selection."""
    wanted: Bool = selected_hits(event, selection)[edge_index[0]]
    wanted &= same_particle(require_truth(event).particle_id, edge_index)
    return wanted


def _codes(particles: ParticleSummary) -> NDArray[np.int32]:
    if len(particles) and not particles.pdg.any():
        raise InputError(
            f"{particles.event}: its particles have no PDG codes (column particle_type), so the "
            "selection by pdg cannot be made: leave pdg out"
        )
    return particles.pdg


def _of_hard_process(particles: ParticleSummary) -> Bool:
    if particles.hard_process is None:
        raise InputError(
            f"{particles.event}: does not tell which particles are of the hard process; events in "
            "the store that were simulated with one do: leave hard_process_only out"
        )
    return particles.hard_process


def _range(name: str, low: float, high: float | None, unit: str = "") -> str:
    """In words; nothing where there is no bound."""
    if high is not None and low > 0:
        text = f"{name} {low:g} to {high:g}"
    elif high is not None:
        text = f"{name} {'<' if name == '|eta|' else '<='} {high:g}"
    elif low > 0:
        text = f"{name} {'>' if name == 'pT' else '>='} {low:g}"
    else:
        return ""
    return f"{text} {unit}".rstrip()


def _value(text: str) -> Any:
    """A number, true, false or null; text where it is none of these."""
    try:
        return json.loads(text)
    except ValueError:
        return text
