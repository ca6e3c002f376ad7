"""How good the tracks of one event, or of many, are.

Definitions: docs/evaluation.md. Everything is kept as counts, so that events add up exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.evaluation.bins import ETA, LENGTH, PHI, PT, RADIUS
from hitgraph.evaluation.matching import MATCHINGS, TrackMatches, match_tracks
from hitgraph.evaluation.ratio import BinnedRatio, Ratio, binned_ratio, ratio
from hitgraph.evaluation.trackml_score import primary_weights, trackml_score
from hitgraph.event.event import Event
from hitgraph.event.selection import SELECTED, Selection
from hitgraph.event.truth import (
    ParticleSummary,
    hit_weights,
    require_truth,
    summarise_particles,
)

MIN_TRACK_HITS = 3
"""Track candidates have at least this many hits unless a study says otherwise."""

STIFF, STIFFER = 0.5, 1.0  # GeV
"""Efficiencies stand in tables for the selected particles, and for those of them above these."""

Counted = Literal["hits", "clusters"]

GRIDS = {"pt": PT, "eta": ETA, "phi": PHI, "radius": RADIUS, "length": LENGTH}
"""Bins of the curves, by the last word of their names."""


@dataclass(frozen=True)
class Efficiency:
    """Physics and technical, of the selected particles above one pT (2103.06995, eq. 1, 2)."""

    min_pt: float  # GeV
    physics: Ratio  # matched among selected
    technical: Ratio  # matched among selected with at least five hits

    def __add__(self, other: "Efficiency") -> "Efficiency":
        return Efficiency(
            self.min_pt, self.physics + other.physics, self.technical + other.technical
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "min_pt": self.min_pt,
            "physics": self.physics.to_dict(),
            "technical": self.technical.to_dict(),
        }


@dataclass(frozen=True)
class MatchedMetrics:
    """Everything that depends on what counts as a match."""

    efficiency: tuple[Efficiency, ...]  # by rising pT, the first of all selected particles
    purity: Ratio  # tracks that match any particle, among tracks
    purity_selected: Ratio  # tracks that match a selected particle (eq. 3 of the paper)
    purity_others: Ratio  # tracks that match another one; with the fakes they are all tracks
    fakes_selected: Ratio  # tracks without a match, among those with a selected majority particle
    duplicates: Ratio  # tracks that match an already matched particle, among tracks
    curves: dict[str, BinnedRatio]  # counted in the bins of GRIDS

    @property
    def fakes(self) -> Ratio:
        """Tracks that match no particle: 1 - purity."""
        return self.purity.complement

    def __add__(self, other: "MatchedMetrics") -> "MatchedMetrics":
        return MatchedMetrics(
            tuple(a + b for a, b in zip(self.efficiency, other.efficiency, strict=True)),
            self.purity + other.purity,
            self.purity_selected + other.purity_selected,
            self.purity_others + other.purity_others,
            self.fakes_selected + other.fakes_selected,
            self.duplicates + other.duplicates,
            {name: self.curves[name] + other.curves[name] for name in self.curves},
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "efficiency": [efficiency.to_dict() for efficiency in self.efficiency],
            "purity": self.purity.to_dict(),
            "purity_selected": self.purity_selected.to_dict(),
            "purity_others": self.purity_others.to_dict(),
            "fake_rate": self.fakes.to_dict(),
            "fake_rate_selected": self.fakes_selected.to_dict(),
            "duplicate_rate": self.duplicates.to_dict(),
            "curves": {
                name: shown([curve], name)[0].to_dict() for name, curve in self.curves.items()
            },
        }


@dataclass(frozen=True)
class Metrics:
    """Performance on one or several events."""

    events: tuple[str, ...]  # names
    min_track_hits: int
    selection: Selection  # the particles whose efficiency it is
    n_hits: int
    n_hits_on_tracks: int
    n_tracks: int  # with at least `min_track_hits` hits
    scores: tuple[float, ...]  # TrackML score of each event, NaN where no hit has weight
    scores_primaries: tuple[float, ...]  # the same with the weights of primaries only
    track_lengths: tuple[int, ...]  # tracks in the bins of LENGTH, short ones included
    particle_lengths: tuple[int, ...]  # the same for selected particles
    matchings: dict[str, MatchedMetrics]  # by the names in MATCHINGS
    counted: Counted = "hits"  # what is counted as hits

    @property
    def score(self) -> float:
        """TrackML score, averaged over events that have weights."""
        return _mean(self.scores)

    @property
    def score_primaries(self) -> float:
        """The same with the weights of primaries only: *score, primaries*."""
        return _mean(self.scores_primaries)

    @property
    def score_error(self) -> float:
        """Standard error of that average; NaN for fewer than two events."""
        return _standard_error(self.scores)

    @property
    def score_primaries_error(self) -> float:
        """Standard error of `score_primaries`; NaN for fewer than two events."""
        return _standard_error(self.scores_primaries)

    def to_dict(self) -> dict[str, Any]:
        """Counts, values and intervals as plain numbers, lists and dictionaries; NaN is None."""
        edges, lengths = LENGTH.shown_counts([self.track_lengths, self.particle_lengths])
        return {
            "events": list(self.events),
            "counted": self.counted,
            "min_track_hits": self.min_track_hits,
            "n_hits": self.n_hits,
            "n_hits_on_tracks": self.n_hits_on_tracks,
            "n_tracks": self.n_tracks,
            "trackml_score": _score_json(self.scores),
            "trackml_score_primaries": _score_json(self.scores_primaries),
            "track_lengths": {
                "edges": list(edges),
                "tracks": list(lengths[0]),
                "particles": list(lengths[1]),
            },
            "matchings": {name: matched.to_dict() for name, matched in self.matchings.items()},
        }


def evaluate(
    event: Event,
    labels: NDArray[np.integer],
    min_track_hits: int = MIN_TRACK_HITS,
    selection: Selection = SELECTED,
) -> Metrics:
    """Compare the tracks of one event with the truth.

    `labels` (n_hits,) is the track of each hit, below zero for none; the numbers themselves have
    no meaning. Tracks with fewer than `min_track_hits` hits count neither as found nor as fake.
    Efficiencies are of the particles of the `selection`, and tracks are split by it; scores are of
    all. Raises InputError for an event without truth or particles, one that does not tell what the
    selection asks for, or labels that do not fit.
    """
    particle_id, weights = require_truth(event).particle_id, truth_weights(event)
    particles = summarise_particles(event)
    matches = match_tracks(particle_id, labels)
    candidate = matches.n_hits >= min_track_hits
    scene = _Scene(particles, selection, matches, candidate, _track_eta(event, matches))
    return Metrics(
        events=(event.name,),
        min_track_hits=min_track_hits,
        selection=selection,
        n_hits=event.n_hits,
        n_hits_on_tracks=int(np.count_nonzero(matches.track >= 0)),
        n_tracks=int(np.count_nonzero(candidate)),
        scores=(trackml_score(particle_id, weights, matches),),
        scores_primaries=(trackml_score(particle_id, primary_weights(event, weights), matches),),
        track_lengths=_lengths(matches.n_hits),
        particle_lengths=_lengths(particles.n_hits[selection.mask(particles)]),
        matchings={name: _with_matching(scene, matches.matched(name)) for name in MATCHINGS},
    )


def combine(metrics: Sequence[Metrics]) -> Metrics:
    """Add up the counts of several events; the score becomes their average."""
    if not metrics:
        raise InputError("no event was evaluated: nothing to combine")
    minima = {one.min_track_hits for one in metrics}
    if len(minima) > 1:
        raise InputError(f"events were evaluated with different track minima: {sorted(minima)}")
    if len({one.selection for one in metrics}) > 1:
        raise InputError("events were evaluated with different selections of particles")
    return Metrics(
        events=tuple(name for one in metrics for name in one.events),
        min_track_hits=metrics[0].min_track_hits,
        selection=metrics[0].selection,
        n_hits=sum(one.n_hits for one in metrics),
        n_hits_on_tracks=sum(one.n_hits_on_tracks for one in metrics),
        n_tracks=sum(one.n_tracks for one in metrics),
        scores=tuple(score for one in metrics for score in one.scores),
        scores_primaries=tuple(score for one in metrics for score in one.scores_primaries),
        track_lengths=_sum_counts([one.track_lengths for one in metrics]),
        particle_lengths=_sum_counts([one.particle_lengths for one in metrics]),
        matchings={
            name: reduce(add, [one.matchings[name] for one in metrics]) for name in MATCHINGS
        },
        counted=metrics[0].counted,
    )


def shown(curves: Sequence[BinnedRatio], name: str) -> list[BinnedRatio]:
    """Curves of one name, all in the same bins, which follow the data."""
    return GRIDS[name.rsplit(" ", 1)[-1]].shown(curves)


def cuts_of(selection: Selection) -> tuple[Selection, ...]:
    """The selection, and those of its particles above higher pT that tables have beside it."""
    return tuple(dict.fromkeys((selection, selection.above(STIFF), selection.above(STIFFER))))


def truth_labels(event: Event) -> NDArray[np.int64]:
    """(n_hits,) the labels of a perfect track finder: one track a particle, -1 for noise."""
    particle_id = require_truth(event).particle_id
    labels = np.full(event.n_hits, -1, dtype=np.int64)
    real = particle_id != 0
    labels[real] = np.unique(particle_id[real], return_inverse=True)[1]
    return labels


def truth_weights(event: Event) -> NDArray[np.floating]:
    """(n_hits,) the weights in the truth table, recomputed where it has none."""
    weight = require_truth(event).weight
    if np.isfinite(weight).all() and weight.sum() > 0:
        return weight
    return hit_weights(event)


@dataclass(frozen=True, eq=False)
class _Scene:
    """One event's particles and tracks, whatever the matching."""

    particles: ParticleSummary
    selection: Selection
    matches: TrackMatches
    candidate: NDArray[np.bool_]  # (n_tracks,) long enough to count
    track_eta: NDArray[np.float64]  # (n_tracks,)


def _with_matching(scene: _Scene, matched: NDArray[np.bool_]) -> MatchedMetrics:
    particles, matches, candidate = scene.particles, scene.matches, scene.candidate
    good = matched & candidate
    found = np.isin(particles.particle_id, matches.particle_id[good])
    selected, stiff = scene.selection, scene.selection.above(STIFF)
    of_selected = particles.particle_id[selected.mask(particles)]
    aims_selected = candidate & np.isin(matches.particle_id, of_selected)
    matches_selected = good & aims_selected
    repeated = int(np.count_nonzero(good)) - len(np.unique(matches.particle_id[good]))

    def efficiency(selection: Selection) -> Efficiency:
        return Efficiency(
            selection.min_pt,
            ratio(found, selection.mask(particles)),
            ratio(found, selection.reconstructable(particles)),
        )

    curves: dict[str, BinnedRatio] = {}
    for variable, values, edges, selection in (
        ("pt", particles.pt, PT.edges, selected),
        ("eta", particles.eta, ETA.edges, stiff),
        ("phi", particles.phi, PHI.edges, stiff),
        ("radius", particles.vertex_radius, RADIUS.edges, stiff),
    ):
        for kind, among in (
            ("physics", selection.mask(particles)),
            ("technical", selection.reconstructable(particles)),
        ):
            curves[f"{kind} efficiency vs {variable}"] = binned_ratio(values, found, among, edges)
    curves["purity vs eta"] = binned_ratio(scene.track_eta, good, candidate, ETA.edges)
    curves["purity vs length"] = binned_ratio(
        matches.n_hits.astype(np.float64), good, candidate, LENGTH.edges
    )
    return MatchedMetrics(
        efficiency=tuple(efficiency(cut) for cut in cuts_of(scene.selection)),
        purity=ratio(good, candidate),
        purity_selected=ratio(matches_selected, candidate),
        purity_others=ratio(good & ~matches_selected, candidate),
        fakes_selected=ratio(~good, aims_selected),
        duplicates=Ratio(repeated, int(np.count_nonzero(candidate))),
        curves=curves,
    )


def _track_eta(event: Event, matches: TrackMatches) -> NDArray[np.float64]:
    """(n_tracks,) mean over a track's hits of asinh(z / r): known for fakes too."""
    on = matches.track >= 0
    hits = event.hits
    r = np.hypot(hits.x[on].astype(np.float64), hits.y[on])
    eta = np.arcsinh(hits.z[on] / np.maximum(r, 1e-6))
    total = np.bincount(matches.track[on], weights=eta, minlength=len(matches))
    return np.asarray(total / np.maximum(matches.n_hits, 1), dtype=np.float64)


def _lengths(n_hits: NDArray[np.integer]) -> tuple[int, ...]:
    """Counts in the bins of LENGTH, longer ones in the last; zero hits are not counted."""
    inside = np.minimum(n_hits[n_hits > 0], int(LENGTH.edges[-1]))
    return tuple(np.histogram(inside, bins=LENGTH.edges)[0].tolist())


def _sum_counts(counts: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(np.sum(np.asarray(counts, dtype=np.int64), axis=0).tolist())


def _known(scores: Sequence[float]) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    return values[np.isfinite(values)]


def _mean(scores: Sequence[float]) -> float:
    known = _known(scores)
    return float(known.mean()) if len(known) else float("nan")


def _standard_error(scores: Sequence[float]) -> float:
    known = _known(scores)
    return float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else float("nan")


def _score_json(scores: Sequence[float]) -> dict[str, Any]:
    return {
        "value": _number(_mean(scores)),
        "error": _number(_standard_error(scores)),
        "events": [_number(score) for score in scores],
    }


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
