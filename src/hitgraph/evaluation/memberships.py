"""Tracks that may share hits, judged as arXiv 2303.01640 does and as this package does.

A hit may be on several tracks, so there is a list of hits and tracks in place of a label a hit. A
track matches a particle where more than half of its hits are the particle's and more than half of
the particle's hits are on it.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.matching import NOISE, Int64, TrackMatches, match_tracks
from hitgraph.evaluation.metrics import MIN_TRACK_HITS
from hitgraph.evaluation.ratio import Ratio, ratio
from hitgraph.event.event import Event
from hitgraph.event.selection import Selection
from hitgraph.event.truth import require_truth, summarise_particles

__all__ = ["FIDUCIAL", "MembershipQuality", "judge_memberships", "match_memberships", "members_of"]

FIDUCIAL = Selection(min_pt=1.0, min_hits=5)  # of arXiv 2303.01640


@dataclass(frozen=True)
class MembershipQuality:
    """How good tracks are that may share hits; counts, so that events add up."""

    efficiency: Ratio  # fiducial particles that a track matches
    fakes_fiducial: Ratio  # unmatched, among tracks most of whose hits are a fiducial particle's
    fakes: Ratio  # unmatched, among all tracks
    duplicates: Ratio  # tracks that match an already matched particle, among all tracks

    def __add__(self, other: "MembershipQuality") -> "MembershipQuality":
        return MembershipQuality(
            self.efficiency + other.efficiency,
            self.fakes_fiducial + other.fakes_fiducial,
            self.fakes + other.fakes,
            self.duplicates + other.duplicates,
        )


def members_of(labels: NDArray[np.integer]) -> tuple[Int64, Int64]:
    """Hits and tracks (n,) of labels (n_hits,), or (n_hits, k) of several of each; -1 = none."""
    several = labels if labels.ndim == 2 else labels[:, None]
    hit, place = np.nonzero(several >= 0)
    return hit.astype(np.int64), several[hit, place].astype(np.int64)


def match_memberships(particle_id: Int64, hit: Int64, track: Int64) -> TrackMatches:
    """The majority particle of each track; hit and track (n,), each pair once.

    `particle_id` (n_hits,) of all hits of the event, 0 for noise; `track` of the result is a row
    of a pair, not of a hit.
    """
    matches = match_tracks(particle_id[hit], track)
    ids, sizes = np.unique(particle_id, return_counts=True)
    sizes = np.where(ids == NOISE, 0, sizes)
    known = np.searchsorted(ids, matches.particle_id)
    found = np.append(sizes, 0)[known]  # a track of noise in an event without any other hit
    return replace(matches, n_particle_hits=np.where(matches.particle_id == NOISE, 0, found))


def judge_memberships(
    event: Event,
    hit: Int64,
    track: Int64,
    fiducial: Selection = FIDUCIAL,
    min_track_hits: int = MIN_TRACK_HITS,
) -> MembershipQuality:
    """Judge the tracks of an event; hit and track (n,) say which hits each has, each pair once.

    Tracks of fewer than `min_track_hits` hits count neither as found nor as fake. The metric of the
    paper leaves out tracks of noise and of particles that are not fiducial: `fakes_fiducial`.
    Raises InputError for an event without truth or particles.
    """
    particles = summarise_particles(event)
    matches = match_memberships(require_truth(event).particle_id, hit, track)
    candidate = matches.n_hits >= min_track_hits
    good = matches.matched("double majority") & candidate
    wanted = fiducial.mask(particles)
    of_fiducial = candidate & np.isin(matches.particle_id, particles.particle_id[wanted])
    found = np.unique(matches.particle_id[good])
    return MembershipQuality(
        efficiency=ratio(np.isin(particles.particle_id, found), wanted),
        fakes_fiducial=ratio(~good, of_fiducial),
        fakes=ratio(~good, candidate),
        duplicates=Ratio(int(good.sum()) - len(found), int(candidate.sum())),
    )
