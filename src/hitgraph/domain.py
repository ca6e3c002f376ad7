"""What the events of a training were like, and in what an event lies outside of that.

A pipeline's windows, scores and cuts hold for events like those it was taught on. Beyond them
tracks are lost without a sign, so a run says once of each kind in what its events are different.
All numbers follow from what a run has anyway: its hits, and the tracks it found.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.known_detectors import BEAM
from hitgraph.hits import Hits
from hitgraph.hits.density import MAX_SHIFT, hit_density
from hitgraph.observe import Runs
from hitgraph.state import State
from hitgraph.tracks.helix import fit_helices

if TYPE_CHECKING:
    from hitgraph.pipeline import Result

Float64 = NDArray[np.float64]
Range = tuple[float, float]  # least and most of one event

_log = logging.getLogger(__name__)

SAMPLED_TRACKS = 250  # fits of so many know a share of 5 % to 1.4 %; all would cost 1 % of a run
MIN_TRACK_HITS = 4  # of a track whose helix is worth something
START = 2.0  # times the innermost radius: tracks from the beam line have begun there
MIN_TRACKS = 30  # a share of 10 % (FEW_OUTSIDE) is three of them
VERTEX_CONTENT = 0.99  # of all tracks of the training between the ends of its vertices
BEAM_WIDTHS = 2.7  # standard deviations of collisions, 99.3 % of them, on either side of the mean
WIDTH_CONTENT = 0.6827  # within one of them; tracks that were born elsewhere are in the tails
FULL_RING = 10.0  # hits a module: chance leaves one of 20,000 without
MIN_MODULES = 100  # in such rings; a share of 2 % (FEW_SILENT) is two of them
RING_WIDTH = 10.0  # mm, within which modules of a layer are in the same place
MIN_VOLUME_HITS = 200  # the mean of as many cluster sizes is good to 5 %

# How far beyond the range of the training an event may lie. Where the events of a training scatter
# by sigma, twenty of them span 3.7 sigma; half of that span more on either side is 3.7 sigma from
# the middle. The least allowances are for trainings on few or equal events.
SPAN = 0.5  # of the span of the training
DENSER = 1.5  # times; pile-up alone scatters by a tenth, twice the density costs a point
THINNER = math.exp(-MAX_SHIFT)  # times; scores know the density down to there (hits.density)
FEW_OUTSIDE = 0.10  # of an event's tracks: the hard collision of an event at low pile-up
FEW_SILENT = 0.02  # of the modules; at 10 % dead ones a point of efficiency is lost
FEW_LOOSE = 0.10  # of the hits
WHOLE_EVENTS = ("modules", "tracks", "clusters")  # kinds that are others in a region of an event
FEW_CELLS = 0.15  # of the mean cluster size; pixels twice as coarse have a third less


@dataclass(frozen=True, eq=False)
class Observation:
    """What one event is like."""

    density: float  # of its hits, see hits.density
    z0: Float64  # (n_tracks,) mm, where a sample of tracks from the beam line meet it
    silent: float | None  # modules without a hit, of all in rings full of hits; None without such
    loose: float  # hits on no track / hits
    cells: Mapping[str, float]  # mean cells of a hit, by volume


@dataclass(frozen=True)
class Domain:
    """The range of every number over the events of a training."""

    density: Range
    z0: Range | None  # mm, VERTEX_CONTENT of all tracks meet the beam line between
    outside: Range | None  # share of an event's tracks that do not
    silent: Range | None
    loose: Range
    cells: dict[str, Range]  # by volume
    beam: Range | None = None  # mm, BEAM_WIDTHS of the collisions along the beam; older: not told

    def beyond(self, seen: Observation) -> dict[str, str]:
        """In what an event lies outside, by kind, in words with the numbers."""
        found = {
            "density": self._density(seen.density),
            "vertices": self._vertices(seen.z0),
            "modules": self._silent(seen.silent),
            "tracks": self._loose(seen.loose),
            "clusters": self._cells(seen.cells),
        }
        return {kind: text for kind, text in found.items() if text}

    def _density(self, density: float) -> str:
        low, high = self.density
        if density > DENSER * high:
            return (
                f"hit density {_times(density, high)} that of the densest event this pipeline "
                "was taught on"
            )
        if density < THINNER * low:
            return (
                f"hit density {_times(density, low)} that of the thinnest event this pipeline "
                "was taught on"
            )
        return ""

    def _vertices(self, z0: Float64) -> str:
        if self.z0 is None or self.outside is None or len(z0) < MIN_TRACKS:
            return ""
        share = _share_outside(z0, self.z0)
        if share <= max(_limits(self.outside)[1], FEW_OUTSIDE):
            return ""
        low, high = self.z0
        return (
            f"{share:.0%} of its tracks meet the beam line outside z = {low:.0f} to {high:.0f} mm, "
            f"where at most {self.outside[1]:.0%} did in the events this pipeline was taught on: "
            "tracks of vertices out there may be lost"
        )

    def _silent(self, silent: float | None) -> str:
        if silent is None:
            return ""
        most = 0.0 if self.silent is None else self.silent[1]
        if silent <= _limits(self.silent or (0.0, 0.0), FEW_SILENT)[1]:
            return ""
        return (
            f"{silent:.1%} of the modules that should be full of hits have none, at most "
            f"{most:.1%} had none in the events this pipeline was taught on: dead modules, or a "
            "part of an event?"
        )

    def _loose(self, loose: float) -> str:
        if loose <= _limits(self.loose, FEW_LOOSE)[1]:
            return ""
        return (
            f"{loose:.0%} of its hits are on no track, at most {self.loose[1]:.0%} were in the "
            "events this pipeline was taught on: more noise, or particles that it does not find"
        )

    def _cells(self, cells: Mapping[str, float]) -> str:
        for volume, mean in cells.items():
            learnt = self.cells.get(volume)
            if learnt is None:
                continue
            low, high = _limits(learnt, FEW_CELLS * (learnt[0] + learnt[1]) / 2)
            if not low <= mean <= high:
                return (
                    f"clusters in volume {volume} have {mean:.2f} cells on average, "
                    f"{learnt[0]:.2f} to {learnt[1]:.2f} in the events this pipeline was taught on"
                )
        return ""


def observe(state: State, detector: Detector) -> Observation:
    """What an event is like, from the state after the last stage of a pipeline.

    `detector` is that of the hits' layers and modules. Takes less than 1 % of a run.
    """
    hits = state.hits
    assert state.labels is not None
    return Observation(
        density=float(hit_density(hits, detector.n_layers)),
        z0=beam_crossings(state),
        silent=silent_share(hits, detector),
        loose=float((state.labels < 0).double().mean()) if len(hits) else 0.0,
        cells=mean_cells(hits, detector),
    )


def learn_domain(observations: Sequence[Observation]) -> Domain:
    """The ranges of some events, at least one."""
    crossings = [seen.z0 for seen in observations if len(seen.z0) >= MIN_TRACKS]
    z0 = outside = beam = None
    if crossings:
        beam = _beam(np.concatenate(crossings))
        tail = (1 - VERTEX_CONTENT) / 2
        low, high = np.quantile(np.concatenate(crossings), [tail, 1 - tail]).tolist()
        z0 = (low, high)
        outside = _range([_share_outside(one, z0) for one in crossings])
    silent = [seen.silent for seen in observations if seen.silent is not None]
    volumes = sorted({volume for seen in observations for volume in seen.cells})
    return Domain(
        density=_range([seen.density for seen in observations]),
        z0=z0,
        outside=outside,
        silent=_range(silent) if silent else None,
        loose=_range([seen.loose for seen in observations]),
        cells={
            volume: _range([seen.cells[volume] for seen in observations if volume in seen.cells])
            for volume in volumes
        },
        beam=beam,
    )


def beam_of(domain: Domain | None, detector: Detector, name: str) -> Range:
    """mm along the beam line, between which the particles of a pipeline's events come from.

    Older pipelines do not tell: they are TrackML's. Raises InputError, beginning with `name`, the
    pipeline's, where nothing tells.
    """
    if domain is not None and domain.beam is not None:
        return domain.beam
    if detector.is_generic:
        return BEAM
    raise InputError(
        f"{name}: does not tell where along the beam line the particles of its training came from, "
        "which regions need: train it again, on events with tracks from the beam line"
    )


def beam_crossings(state: State) -> Float64:
    """(n_tracks,) mm, z where a sample of tracks that begin near the beam line meet it."""
    labels = state.labels
    assert labels is not None
    step = max(1, state.n_tracks // SAMPLED_TRACKS)
    rows = torch.nonzero((labels >= 0) & (labels % step == 0)).squeeze(1)
    if len(rows) == 0:
        return np.empty(0)
    track, position = labels[rows] // step, state.hits.straight[rows].double()
    helices = fit_helices(position, track)
    radius = torch.hypot(position[:, 0], position[:, 1])
    first = radius.new_full((len(helices.z0),), torch.inf)
    first = first.scatter_reduce(0, track, radius, "amin")
    good = torch.bincount(track) >= MIN_TRACK_HITS
    good &= first < START * radius.min()
    crossings: Float64 = helices.z0[good].cpu().numpy()
    return crossings


def silent_share(hits: Hits, detector: Detector) -> float | None:
    """Modules without a hit / modules, in rings of at least FULL_RING hits a module.

    None where such rings have fewer than MIN_MODULES modules together.
    """
    on = torch.bincount(hits.module, minlength=detector.n_modules).cpu().numpy()
    ring = _rings(detector)
    full = np.bincount(ring, on) >= FULL_RING * np.bincount(ring)
    watched = on[full[ring]]
    return float(np.mean(watched == 0)) if len(watched) >= MIN_MODULES else None


@lru_cache(maxsize=2)
def _rings(detector: Detector) -> NDArray[np.int64]:
    """(n_modules,) which modules are of one layer, at one radius and z: equally full of hits."""
    x, y, z = detector.centre.T
    around = np.round(np.stack([np.hypot(x, y), z], axis=1) / RING_WIDTH)
    place = np.concatenate([detector.layer[:, None], around], axis=1)
    return np.unique(place, axis=0, return_inverse=True)[1].reshape(-1)


def mean_cells(hits: Hits, detector: Detector) -> dict[str, float]:
    """Mean number of cells of a hit, by volume; volumes with too few hits are left out."""
    if not hits.has_clusters:
        return {}
    n_layers, volume = detector.n_layers, detector.layer_keys[:, 0]
    cells = torch.bincount(hits.layer, hits.column("cell_count").double(), n_layers)
    counts = torch.bincount(hits.layer, minlength=n_layers)
    sums, n_hits = cells.cpu().numpy(), counts.cpu().numpy()
    return {
        str(one): float(sums[volume == one].sum() / n_hits[volume == one].sum())
        for one in np.unique(volume)
        if n_hits[volume == one].sum() >= MIN_VOLUME_HITS
    }


class Watched:
    """Runs a pipeline, and warns once of each kind where events lie outside its domain.

    `whole`: whether what it is given are events, and not regions of them.
    """

    def __init__(
        self, finder: Runs, domain: Domain, detector: Detector, whole: bool = True
    ) -> None:
        self.finder, self.domain, self.detector, self.whole = finder, domain, detector, whole
        self._said: set[str] = set()

    def run(self, event: Event) -> "Result":
        """As the finder's; the first event of each kind is named."""
        result = self.finder.run(event)
        for kind, text in self.domain.beyond(observe(result.state, self.detector)).items():
            if kind not in self._said and (self.whole or kind not in WHOLE_EVENTS):
                self._said.add(kind)
                _log.warning("%s: %s", event.name, text, extra={"once": f"domain {kind}"})
        return result


def _beam(z0: Float64) -> Range:
    """BEAM_WIDTHS on either side of the median of tracks that meet the beam line at `z0` (n,)."""
    tail = (1 - WIDTH_CONTENT) / 2
    low, middle, high = np.quantile(z0, [tail, 0.5, 1 - tail]).tolist()
    half = BEAM_WIDTHS * (high - low) / 2
    return middle - half, middle + half


def _share_outside(z0: Float64, ends: Range) -> float:
    return float(np.mean((z0 < ends[0]) | (z0 > ends[1])))


def _range(values: Sequence[float]) -> Range:
    return min(values), max(values)


def _limits(learnt: Range, least: float = 0.0) -> Range:
    """The range with SPAN of its span on either side, at least `least`."""
    allowance = max(SPAN * (learnt[1] - learnt[0]), least)
    return learnt[0] - allowance, learnt[1] + allowance


def _times(value: float, learnt: float) -> str:
    ratio = value / learnt if learnt else math.inf
    return f"{ratio:.1f} times" if ratio >= 0.1 else f"{ratio:.2g} times"
