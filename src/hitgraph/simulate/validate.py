"""How near one sample of events is to another: the table of `hitgraph simulate --validate`.

Every mean and share is a ratio of two sums over particles (a noise hit counts as one). Hits of one
particle are not independent, so errors are those of a ratio estimator over particles: var R =
sum (n - R d)^2 / (sum d)^2. That is right for a thinned event too, which has whole particles.
Medians over segments between layers have the error that this gives the share of values below them.
Particles of one event are not independent either: they share vertices and jets. By how much that
makes a quantity vary from event to event is measured on the simulated sample, where it has enough
events, and added to the errors of both samples.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.event import Event
from hitgraph.event.known_detectors import PIXEL_VOLUMES
from hitgraph.event.source import list_events
from hitgraph.event.store import preset_of
from hitgraph.event.truth import particle_rows, require_particles, require_truth
from hitgraph.simulate.digitise import DRIFT
from hitgraph.simulate.segments import median_with_error, segment_values

Float64 = NDArray[np.float64]

TOLERANCE = 0.1  # relative difference that counts as agreement
FIELD_TOLERANCE = 0.02  # the same of the field
VOLUMES = (7, 8, 9, 12, 13, 14, 16, 17, 18)
DISTANCE_VOLUMES = (7, 8, 13, 17)
SECONDARY_RADIUS = 1.0  # mm, secondaries are born farther from the beam line
FEW_HITS = 8
SIMULATED, CLEAR = 0.15, 0.3  # GeV, pT above which a row counts particles
QUANTILES = {"median": 0.5, "10 % point": 0.1}
ENOUGH_EVENTS = 10  # for the spread from event to event
ENOUGH_SEGMENTS = 20  # for a median

Values = dict[str, tuple[float, float]]  # value and error of each quantity
OfParticles = tuple[Float64, NDArray[np.int64]]  # values (n,), and the particle of each


@dataclass(frozen=True)
class Row:
    """One quantity of two samples, with statistical errors of one standard deviation."""

    name: str
    real: float
    real_error: float
    simulated: float
    simulated_error: float

    @property
    def error(self) -> float:
        """Of the difference."""
        return math.hypot(self.real_error, self.simulated_error)

    @property
    def allowed(self) -> float:
        """The largest difference that is agreement: one standard deviation, or 10 %.

        2 % of a field, which is measured better.
        """
        tolerance = FIELD_TOLERANCE if self.name.startswith("field ") else TOLERANCE
        return max(self.error, tolerance * abs(self.real))

    @property
    def agrees(self) -> bool:
        return abs(self.simulated - self.real) <= self.allowed

    @property
    def chance(self) -> float:
        """With which the row of two samples of the same kind would not agree."""
        return math.erfc(self.allowed / (self.error * math.sqrt(2))) if self.error > 0 else 0.0


class Sample:
    """Sums of the quantities over the events added so far."""

    def __init__(self) -> None:
        self._sums: dict[str, Float64] = {}
        self._hits: list[NDArray[np.int64]] = []  # per particle that has some
        self._segments: dict[str, list[OfParticles]] = {}
        self._particles = 0  # in the events so far
        self._events: list[Values] = []

    def add(self, event: Event) -> None:
        """Count an event. Raises InputError where it has no truth, particles or detector."""
        own: dict[str, Float64] = {}
        for name, top, bottom in _quantities(event):
            own[name] = np.array(
                [top.sum(), bottom.sum(), top @ top, top @ bottom, bottom @ bottom]
            )
            self._sums[name] = self._sums.get(name, 0.0) + own[name]
        count = np.bincount(particle_rows(event) + 1)[1:]
        self._hits.append(count[count > 0])
        mine: dict[str, OfParticles] = {}
        for name, values, particle in segment_values(event):
            mine[name] = values, particle + self._particles
            self._segments.setdefault(name, []).append(mine[name])
        self._particles += len(require_particles(event))
        self._events.append(_values(own, self._hits[-1]) | _medians(mine))

    def __len__(self) -> int:
        return len(self._events)

    def values(self) -> Values:
        """Of all events together; the errors take particles for independent."""
        hits = np.concatenate([np.zeros(0, np.int64), *self._hits])
        together = {
            name: (
                np.concatenate([one[0] for one in parts]),
                np.concatenate([one[1] for one in parts]),
            )
            for name, parts in self._segments.items()
        }
        return _values(self._sums, hits) | _medians(together)

    def between_events(self) -> dict[str, float]:
        """The standard deviation from event to event that the errors of `values` do not have.

        Empty where the events are too few to tell.
        """
        if len(self) < ENOUGH_EVENTS:
            return {}
        spreads = {}
        for name in {name for values in self._events for name in values}:
            known = np.array([values[name] for values in self._events if name in values])
            if len(known) < ENOUGH_EVENTS:
                continue
            extra = known[:, 0].var(ddof=1) - np.mean(known[:, 1] ** 2)
            spreads[name] = math.sqrt(max(extra, 0.0))
        return spreads


def _values(sums: dict[str, Float64], hits: NDArray[np.int64]) -> Values:
    """From the sums, and the hits of each particle that has some."""
    values: Values = {}
    for name, level in QUANTILES.items():
        if len(hits):
            spread = math.sqrt(level * (1 - level) / len(hits))
            steps = np.clip([level - spread, level, level + spread], 0, 1)
            low, value, high = np.quantile(hits, steps).tolist()
            values[f"hits/particle, {name}"] = value, max(value - low, high - value)
    for name, (top, bottom, tt, tb, bb) in sums.items():
        if bottom > 0:
            ratio = float(top / bottom)
            square = tt - 2 * ratio * tb + ratio * ratio * bb
            values[name] = ratio, math.sqrt(max(square, 0.0)) / float(bottom)
    return values


def _medians(segments: dict[str, OfParticles]) -> Values:
    return {
        name: median_with_error(values, particle)
        for name, (values, particle) in segments.items()
        if len(values) >= ENOUGH_SEGMENTS
    }


def _quantities(event: Event) -> Iterator[tuple[str, Float64, Float64]]:
    """Name, numerators and denominators; one entry a particle, noise hits after the particles."""
    table = require_particles(event)
    rows = particle_rows(event)
    n = len(table)
    hits = np.bincount(rows[rows >= 0], minlength=n).astype(np.float64)
    pt = np.hypot(table.px, table.py)
    secondary = np.hypot(table.vx, table.vy) > SECONDARY_RADIUS
    seen = hits > 0

    def share(of: NDArray[np.bool_], among: NDArray[np.bool_]) -> tuple[Float64, Float64]:
        return 100.0 * (of & among).astype(np.float64), among.astype(np.float64)

    yield "hits/particle, mean", hits, seen.astype(np.float64)
    yield "secondaries > 0.15 GeV, %", *share(secondary, pt > SIMULATED)
    few = share(hits < FEW_HITS, ~secondary & (pt > CLEAR) & seen)
    yield f"primaries > 0.3 GeV, < {FEW_HITS} hits, %", *few
    listed = np.ones(n, np.bool_)
    yield "protons, %", *share(table.particle_type == 2212, listed)
    yield "antiprotons, %", *share(table.particle_type == -2212, listed)
    yield "particles without hits, %", *share(~seen, listed)

    noise = rows < 0
    unit = np.where(noise, n + np.cumsum(noise) - 1, rows)  # particle, or the noise hit itself

    def a_hit(value: NDArray[np.floating], where: NDArray[np.bool_]) -> tuple[Float64, Float64]:
        """Sums over the hits `where`, each counted with its unit."""
        size = n + int(noise.sum())
        top = np.bincount(unit[where], value[where], size).astype(np.float64)
        return top, np.bincount(unit[where], minlength=size).astype(np.float64)

    everywhere = np.ones(event.n_hits, np.bool_)
    yield "noise hits, %", *a_hit(100.0 * noise, everywhere)
    volume = event.hits.volume_id
    for one in VOLUMES:
        yield f"hits in volume {one}, %", *a_hit(100.0 * (volume == one), everywhere)
    local, cells, ratio = response(event)
    for one in VOLUMES:
        yield f"cells/hit, volume {one}", *a_hit(cells, ~noise & (volume == one))
    for one in DISTANCE_VOLUMES:
        distance = np.linalg.norm(local, axis=1)
        here = ~noise & (volume == one)
        yield f"hit to crossing {one}, mm", *a_hit(distance, here)
    for one in DRIFT:
        here = ~noise & (volume == one)
        yield f"shift along u {one}, um", *a_hit(1000.0 * local[:, 0], here)
    for one in PIXEL_VOLUMES:
        here = ~noise & (volume == one) & (np.abs(ratio - 1) < 0.5)  # not cut off by the rim
        yield f"charge off its path {one}, %", *a_hit(100.0 * np.abs(ratio - 1), here)


def response(event: Event) -> tuple[Float64, Float64, Float64]:
    """Of each hit: measured - true place in the module's frame (n_hits, 3), cells, and charge
    over the length of its path through the sensor."""
    hits, truth, detector = event.hits, require_truth(event), event.detector
    if event.cells is None or detector is None:
        raise InputError(
            f"{event.name}: has no {'cells' if event.cells is None else 'detectors table'}, which "
            "the comparison needs: put it beside the hits"
        )
    module = detector.module_index(hits.volume_id, hits.layer_id, hits.module_id)
    step = np.stack([hits.x, hits.y, hits.z], axis=1).astype(np.float64)
    step -= np.stack([truth.tx, truth.ty, truth.tz], axis=1)
    momentum = np.stack([truth.tpx, truth.tpy, truth.tpz], axis=1).astype(np.float64)
    rotation = detector.rotation[module]
    local = np.einsum("nji,nj->ni", rotation, step)
    along = np.abs(np.einsum("nj,nj->n", rotation[:, :, 2], momentum))
    total = np.linalg.norm(momentum, axis=1)
    row = np.searchsorted(hits.hit_id, event.cells.hit_id)
    charge = np.bincount(row, event.cells.value, event.n_hits)
    count = np.bincount(row, minlength=event.n_hits).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = charge * along / (total * detector.sensitive_thickness[module])
    return local, count, np.nan_to_num(ratio, posinf=0.0)


def read_sample(
    paths: Sequence[str | Path], advance: Callable[[], None] = lambda: None
) -> tuple[Sample, str, dict[str, str]]:
    """All events at `paths`, what they are in words, and the events that could not be read."""
    sources = list_events(paths)
    sample, failed = Sample(), {}
    for source in sources:
        try:
            sample.add(source.read())
        except InputError as error:
            failed[str(source.path)] = str(error)
        advance()
    if len(failed) == len(sources):
        raise InputError(next(iter(failed.values())))
    preset = preset_of(source.path for source in sources)
    n = len(sources) - len(failed)
    made = f"preset {preset}, " if preset else ""
    return sample, f"{paths[0]} ({made}{n} event{'s' * (n != 1)})", failed


def compare(real: Sample, simulated: Sample) -> list[Row]:
    """The rows that both samples have."""
    ours, between = simulated.values(), simulated.between_events()
    rows = []
    for name, (value, error) in real.values().items():
        if name in ours:
            more = between.get(name, 0.0)
            error = math.hypot(error, more / math.sqrt(len(real)))
            our_error = math.hypot(ours[name][1], more / math.sqrt(len(simulated)))
            rows.append(Row(name, value, error, ours[name][0], our_error))
    return rows
