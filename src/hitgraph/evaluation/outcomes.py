"""What became of every track and particle of an event: found, merged, fake, missed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.matching import TrackMatches, match_tracks
from hitgraph.evaluation.metrics import MIN_TRACK_HITS
from hitgraph.event.event import Event
from hitgraph.event.selection import SELECTED, Selection
from hitgraph.event.truth import (
    ParticleSummary,
    particle_rows,
    require_truth,
    summarise_particles,
)

Bool = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Tracks (n_tracks,) in the order of `matches`, particles (n_particles,) of the table.

    Matching is double majority (docs/evaluation.md). `found | merged | fake` are the candidates;
    merged and fake together are the fakes of `hitgraph evaluate`.
    """

    particles: ParticleSummary
    matches: TrackMatches
    candidate: Bool  # tracks of enough hits to count
    found: Bool  # candidates that match their particle
    merged: Bool  # others with more than half of the hits of each of several particles
    reconstructable: Bool  # selected particles with at least five hits
    missed: Bool  # those that no candidate matches

    @property
    def fake(self) -> Bool:
        """(n_tracks,) candidates that match no particle and are not merged."""
        return self.candidate & ~self.found & ~self.merged


def outcomes(
    event: Event,
    labels: NDArray[np.integer],
    min_track_hits: int = MIN_TRACK_HITS,
    selection: Selection = SELECTED,
) -> Outcomes:
    """Judge the tracks of one event, labels (n_hits,) below zero for none.

    A particle counts for merged tracks from `min_track_hits` hits. Raises InputError for an event
    without truth or particles, or labels that do not fit.
    """
    particles = summarise_particles(event)
    matches = match_tracks(require_truth(event).particle_id, labels)
    candidate = matches.n_hits >= min_track_hits
    found = matches.matched("double majority") & candidate
    reconstructable = selection.reconstructable(particles)
    return Outcomes(
        particles=particles,
        matches=matches,
        candidate=candidate,
        found=found,
        merged=candidate & ~found & (_swallowed(event, particles, matches, min_track_hits) > 1),
        reconstructable=reconstructable,
        missed=reconstructable & ~np.isin(particles.particle_id, matches.particle_id[found]),
    )


def _swallowed(
    event: Event, particles: ParticleSummary, matches: TrackMatches, min_hits: int
) -> NDArray[np.int64]:
    """(n_tracks,) particles more than half of whose hits are on the track."""
    row = particle_rows(event)
    both = (matches.track >= 0) & (row >= 0)
    pairs = matches.track[both] * len(particles) + row[both]
    pair, shared = np.unique(pairs, return_counts=True)
    track, particle = np.divmod(pair, max(len(particles), 1))
    n_hits = particles.n_hits[particle]
    most = (2 * shared > n_hits) & (n_hits >= min_hits)
    return np.bincount(track[most], minlength=len(matches)).astype(np.int64)
