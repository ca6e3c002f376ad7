"""Events reconstructed region by region: one region of interest, or all of them, merged.

A track belongs to the region that holds its direction at the beam line (hitgraph.event.regions), of
the helix through its hits. Regions overlap in hits, not in directions, so a track that two regions
find alike is kept once. A track that points out of the region that found it is kept where nothing
better has any of its hits: the helix through a soft or short one says little, and the region that
it points into may have found it pointing out as well, or only a part of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hitgraph.event.event import Event
from hitgraph.event.regions import Region, Regions
from hitgraph.event.rows import select_hits
from hitgraph.observe import Runs, StageRecord
from hitgraph.state import State
from hitgraph.tracks.helix import fit_helices

LONG = 8  # hits; a shorter track may be what a region has of a longer one that leaves its hits

Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RegionTracks:
    """What was found among the hits of one region."""

    labels: Int64  # (n_hits,) track of each hit of the full event, -1 = none
    inside: Bool  # (n_tracks,) whether its direction is in the region
    stages: tuple[StageRecord, ...] = ()
    n_hits: int = 0  # that the region took


@dataclass(frozen=True, eq=False)
class RegionalResult:
    """Tracks of one event, found in regions."""

    labels: Int64  # (n_hits,) track of each hit of the full event, -1 = none
    stages: tuple[StageRecord, ...]  # of all regions together
    shared_fraction: float  # hits that tracks of two regions claimed / hits on tracks
    n_region_hits: tuple[int, ...]  # hits that each region took

    @property
    def n_tracks(self) -> int:
        return int(self.labels.max(initial=-1)) + 1


@dataclass(frozen=True)
class Regional:
    """Runs a pipeline on regions of events instead of events."""

    finder: Runs
    regions: Regions
    beam: tuple[float, float]  # mm along the beam line, between which particles come from

    def run(self, event: Event) -> RegionalResult:
        """Find the tracks of the regions; of a single one those that point into it."""
        found = [self.find(event, region) for region in self.regions.parts]
        merged, shared = merge_regions(found)
        stages = _together([one.stages for one in found])
        return RegionalResult(merged, stages, shared, tuple(one.n_hits for one in found))

    def find(self, event: Event, region: Region) -> RegionTracks:
        """All tracks among the hits of one region."""
        tesla = event.likely_field.centre
        taken = region.reaches(event.hits, tesla, self.beam, self.regions.min_pt)
        result = self.finder.run(select_hits(event, taken))
        labels = np.full(event.n_hits, -1, np.int64)
        labels[taken] = result.labels
        inside = points_into(result.state, region)
        return RegionTracks(labels, inside, result.stages, int(np.count_nonzero(taken)))


def points_into(state: State, region: Region) -> Bool:
    """(n_tracks,) whether the direction of each track is in the region."""
    assert state.labels is not None
    on = torch.nonzero(state.labels >= 0).squeeze(1)
    helices = fit_helices(state.hits.straight[on].double(), state.labels[on])
    return region.holds(np.arcsinh(helices.cot.cpu().numpy()), helices.phi0.cpu().numpy())


def merge_regions(found: Sequence[RegionTracks]) -> tuple[Int64, float]:
    """The tracks (n_hits,) of several regions as those of one event; of one, those inside of it.

    Tracks are taken one by one: those of LONG hits that point into their region, then the others,
    the longest first, of equally long ones that which points into its region, then that of the
    first region. Each gets its hits that are free. A track that would get less than half of its
    hits is none, and one that points out of its region, if it would get less than all; they leave
    their hits to the next. Also gives the share of hits on tracks that point into their region that
    were claimed twice.
    """
    hit, track, first = [], [], 0
    for one in found:
        on = np.flatnonzero(one.labels >= 0)
        hit.append(on)
        track.append(one.labels[on] + first)
        first += len(one.inside)
    hits, tracks = np.concatenate(hit), np.concatenate(track)
    inside = np.concatenate([one.inside for one in found])
    size = np.bincount(tracks, minlength=first)
    least = np.where(inside, (size + 1) // 2, size if len(found) > 1 else size + 1)
    own = np.split(hits[np.argsort(tracks, kind="stable")], np.cumsum(size)[:-1])
    owner = np.full(len(found[0].labels), -1, np.int64)
    for number in np.lexsort((~inside, -size, ~inside | (size < LONG))).tolist():
        free = own[number][owner[own[number]] < 0]
        if len(free) >= least[number]:
            owner[free] = number
    owned = owner >= 0
    owner[owned] = np.unique(owner[owned], return_inverse=True)[1]
    claimed = hits[inside[tracks]]
    n_claimed = len(np.unique(claimed))
    return owner, (len(claimed) - n_claimed) / max(n_claimed, 1)


def _together(stages: Sequence[tuple[StageRecord, ...]]) -> tuple[StageRecord, ...]:
    """The stages of all regions: times and edges added up, quality only where there is one."""
    if len(stages) == 1:
        return stages[0]
    found = []
    for same in zip(*stages, strict=True):
        edges = [one.edges for one in same if one.edges is not None]
        seconds = sum(one.seconds for one in same)
        found.append(StageRecord(same[0].name, seconds, sum(edges) if edges else None))
    return tuple(found)
