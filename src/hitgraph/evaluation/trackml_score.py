"""The score of the TrackML challenge (arXiv 1904.06778)."""

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.matching import TrackMatches
from hitgraph.event.collisions import of_primaries
from hitgraph.event.event import Event


def trackml_score(
    particle_id: NDArray[np.int64], weight: NDArray[np.floating], matches: TrackMatches
) -> float:
    """Weight of the hits on the right track, divided by the weight of all hits of the event.

    A hit counts when its track matches a particle by double majority and the hit is that
    particle's. `particle_id`, `weight` (n_hits,). The minimum number of hits that other numbers
    ask of a track plays no part here. NaN when no hit of the event has weight.
    """
    weights = weight.astype(np.float64)
    total = float(weights.sum())
    if total <= 0.0:
        return float("nan")
    return float(weights[scored_hits(particle_id, matches)].sum()) / total


def primary_weights(event: Event, weight: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n_hits,) the weights (n_hits,) of an event without those of secondaries, which become zero.

    A secondary is born more than 2 mm from the beam line, or along it farther from the collisions'
    mean than three of their standard deviations, which are the 165 mm of the throughput phase of
    the challenge (arXiv 2105.01160) in its events. With these weights
    `trackml_score` is the *score, primaries*; tracks match the same particles as before.
    """
    return np.where(of_primaries(event), weight.astype(np.float64), 0.0)


def scored_hits(particle_id: NDArray[np.int64], matches: TrackMatches) -> NDArray[np.bool_]:
    """(n_hits,) whether a hit's track matches a particle by double majority and it is that one's.

    `particle_id` (n_hits,).
    """
    on = np.flatnonzero(matches.track >= 0)
    track = matches.track[on]
    good = matches.matched("double majority")[track]
    scored = np.zeros(len(particle_id), dtype=bool)
    scored[on[good & (matches.particle_id[track] == particle_id[on])]] = True
    return scored
