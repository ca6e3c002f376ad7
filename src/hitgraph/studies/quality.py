"""How good the tracks of an event are, as JSON-able counts that add up over events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.matching import MatchingName, match_tracks
from hitgraph.evaluation.metrics import MIN_TRACK_HITS, evaluate, shown
from hitgraph.evaluation.ratio import BinnedRatio, Ratio
from hitgraph.event.event import Event
from hitgraph.event.selection import SELECTED, Selection
from hitgraph.event.truth import NOISE, ParticleSummary, require_truth

MATCHING: MatchingName = "double majority"
PT_CURVE = "technical efficiency vs pt"


@dataclass(frozen=True)
class Quality:
    """Several events together."""

    n_hits: tuple[int, ...]  # of each event
    noise: float  # noise hits / hits
    score: float  # TrackML score, mean over events
    score_error: float  # its standard error; NaN for one event
    score_primaries: float  # the same with the weights of primaries only
    score_primaries_error: float
    technical: dict[str, Ratio]  # efficiency by the lowest pT (GeV, as text)
    purity: Ratio
    by_pt: BinnedRatio  # technical efficiency

    @property
    def mean_hits(self) -> float:
        return float(np.mean(self.n_hits))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "n_hits": list(self.n_hits),
            "noise": self.noise,
            "score": _number(self.score),
            "score_error": _number(self.score_error),
            "score_primaries": _number(self.score_primaries),
            "score_primaries_error": _number(self.score_primaries_error),
            "technical": {cut: ratio.to_dict() for cut, ratio in self.technical.items()},
            "purity": self.purity.to_dict(),
            "by_pt": shown([self.by_pt], PT_CURVE)[0].to_dict(),
        }


def quality_of(
    event: Event, labels: NDArray[np.integer], selection: Selection = SELECTED
) -> dict[str, Any]:
    """The counts of one event; labels (n_hits,), below zero for no track."""
    metrics = evaluate(event, labels, selection=selection)
    matched = metrics.matchings[MATCHING]
    return {
        "event": event.name,
        "n_hits": event.n_hits,
        "n_noise": int(np.count_nonzero(require_truth(event).particle_id == NOISE)),
        "score": _number(metrics.score),
        "score_primaries": _number(metrics.score_primaries),
        "technical": {
            f"{one.min_pt:g}": [one.technical.passed, one.technical.total]
            for one in matched.efficiency
        },
        "purity": [matched.purity.passed, matched.purity.total],
        "by_pt": matched.curves[PT_CURVE].to_dict(),
    }


def together(events: Sequence[Mapping[str, Any]]) -> Quality:
    """What `quality_of` gave for several events, at least one."""
    score, score_error = mean_and_error([one["score"] for one in events])
    primaries, primaries_error = mean_and_error([one["score_primaries"] for one in events])
    cuts = events[0]["technical"]
    by_pt = [BinnedRatio(**{k: tuple(v) for k, v in one["by_pt"].items()}) for one in events]
    return Quality(
        n_hits=tuple(one["n_hits"] for one in events),
        noise=sum(one["n_noise"] for one in events) / sum(one["n_hits"] for one in events),
        score=score,
        score_error=score_error,
        score_primaries=primaries,
        score_primaries_error=primaries_error,
        technical={cut: add_up([one["technical"][cut] for one in events]) for cut in cuts},
        purity=add_up([one["purity"] for one in events]),
        by_pt=add_bins(by_pt),
    )


def mean_and_error(values: Sequence[float | None]) -> tuple[float, float]:
    """The mean of what is known and its standard error, NaN where there is too little for that."""
    known = np.array([value for value in values if value is not None])
    n = len(known)
    mean = float(known.mean()) if n else float("nan")
    return mean, float(known.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")


def found_particles(
    event: Event, particles: ParticleSummary, labels: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """(n_particles,) which particles a track of enough hits matches; labels (n_hits,)."""
    matches = match_tracks(require_truth(event).particle_id, labels)
    good = matches.matched(MATCHING) & (matches.n_hits >= MIN_TRACK_HITS)
    return np.isin(particles.particle_id, matches.particle_id[good])


def add_up(counts: Sequence[Sequence[int]]) -> Ratio:
    """The sum of [passed, total] of several events."""
    passed, total = np.sum(counts, axis=0).tolist()
    return Ratio(passed, total)


def add_bins(curves: Sequence[BinnedRatio]) -> BinnedRatio:
    """The sum of several curves, at least one, in the same bins."""
    total = curves[0]
    for one in curves[1:]:
        total = total + one
    return total


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
