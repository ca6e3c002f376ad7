"""Which particle made each track, and whether track and particle match.

A hit carries the label of its track, below zero for none. Numbers of hits of a particle count all
its hits in the event, so that a hit left out of every track is a loss and never a gain; noise is
nobody's particle.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError

Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

MatchingName = Literal["double majority", "lhc", "perfect"]
MATCHINGS: tuple[MatchingName, ...] = ("double majority", "lhc", "perfect")

NOISE = 0  # particle_id of hits that no particle made


@dataclass(frozen=True, eq=False)
class TrackMatches:
    """The tracks of one event, one row a track by rising label, with their majority particle."""

    label: Int64  # (n_tracks,)
    n_hits: Int64  # (n_tracks,) hits on the track
    particle_id: Int64  # (n_tracks,) particle with most hits on the track; 0 where all are noise
    n_shared: Int64  # (n_tracks,) hits of that particle on the track
    n_particle_hits: Int64  # (n_tracks,) hits of that particle in the event
    track: Int64  # (n_hits,) row of the track of each hit, -1 for none

    def __len__(self) -> int:
        return len(self.label)

    @property
    def track_fraction(self) -> NDArray[np.float64]:
        """(n_tracks,) share of the track's hits that its majority particle made."""
        return self.n_shared / self.n_hits

    @property
    def particle_fraction(self) -> NDArray[np.float64]:
        """(n_tracks,) share of the majority particle's hits that are on the track."""
        return self.n_shared / np.maximum(self.n_particle_hits, 1)

    def matched(self, matching: MatchingName) -> Bool:
        """(n_tracks,) whether each track matches its majority particle.

        - double majority: strictly more than half of the track's hits are the particle's, and
          strictly more than half of the particle's hits are on the track (arXiv 2103.06995, 4.1)
        - lhc: more than 75 % of the track's hits are the particle's
        - perfect: the track and the particle are the same set of hits
        """
        track, particle, shared = self.n_hits, self.n_particle_hits, self.n_shared
        accepted: dict[MatchingName, Bool] = {
            "double majority": (2 * shared > track) & (2 * shared > particle),
            "lhc": 4 * shared > 3 * track,
            "perfect": (shared == track) & (shared == particle),
        }
        return accepted[matching]


def match_tracks(particle_id: Int64, labels: NDArray[np.integer]) -> TrackMatches:
    """Find the majority particle of every track.

    `particle_id` (n_hits,) with 0 for noise; `labels` (n_hits,) below zero for hits on no track.
    Where two particles share the majority the smaller particle_id stands (no matching accepts
    such a track).
    """
    check_labels(labels, len(particle_id))
    on = np.flatnonzero(labels >= 0)
    label, on_track = np.unique(labels[on], return_inverse=True)
    ids, particle = np.unique(particle_id, return_inverse=True)
    particle_size = np.bincount(particle, minlength=len(ids))

    real = particle_id[on] != NOISE
    pair, shared = np.unique(
        on_track[real] * len(ids) + particle[on][real],
        return_counts=True,
    )
    pair_track, pair_particle = np.divmod(pair, max(len(ids), 1))
    order = np.lexsort((-pair_particle, shared, pair_track))  # best pair of each track comes last
    last = np.flatnonzero(np.diff(pair_track[order], append=-1))
    best = order[last]

    owner = np.full(len(label), NOISE, dtype=np.int64)
    n_shared = np.zeros(len(label), dtype=np.int64)
    n_particle_hits = np.zeros(len(label), dtype=np.int64)
    rows = pair_track[best]
    owner[rows] = ids[pair_particle[best]]
    n_shared[rows] = shared[best]
    n_particle_hits[rows] = particle_size[pair_particle[best]]

    track = np.full(len(labels), -1, dtype=np.int64)
    track[on] = on_track
    return TrackMatches(
        label=label.astype(np.int64),
        n_hits=np.bincount(on_track, minlength=len(label)).astype(np.int64),
        particle_id=owner,
        n_shared=n_shared,
        n_particle_hits=n_particle_hits,
        track=track,
    )


def check_labels(labels: NDArray[np.integer], n_hits: int) -> None:
    """Raise InputError unless `labels` is one integer a hit."""
    if labels.shape != (n_hits,):
        raise InputError(
            f"labels have shape {labels.shape}, the event has {n_hits} hits: "
            "give one label a hit, below zero for hits on no track"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"labels are {labels.dtype}: give integers, below zero for no track")
