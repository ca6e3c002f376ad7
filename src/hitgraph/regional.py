"""Events reconstructed region by region: one region of interest, or all of them, merged.

A track belongs to the region that holds its direction at the beam line (hitgraph.event.regions), of
the helix through its hits. Regions overlap in hits, not in directions, so a track that two regions
find alike is kept once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from hitgraph.event.event import Event
from hitgraph.event.regions import Region, Regions
from hitgraph.event.rows import select_hits
from hitgraph.observe import StageRecord
from hitgraph.state import State
from hitgraph.tracks.helix import fit_helices

if TYPE_CHECKING:
    from hitgraph.pipeline import Result

Int64 = NDArray[np.int64]


class Runs(Protocol):
    """A pipeline, or something that stands before it."""

    def run(self, event: Event) -> "Result": ...


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

    def run(self, event: Event) -> RegionalResult:
        """Find the tracks whose directions are in one of the regions."""
        tesla = event.likely_field.centre
        labels: list[Int64] = []
        stages: list[tuple[StageRecord, ...]] = []
        n_hits: list[int] = []
        for region in self.regions.parts:
            taken = region.reaches(event.hits, tesla, self.regions.min_pt)
            result = self.finder.run(select_hits(event, taken))
            own = np.full(event.n_hits, -1, np.int64)
            own[taken] = tracks_in(result.state, region)
            labels.append(own)
            stages.append(result.stages)
            n_hits.append(int(np.count_nonzero(taken)))
        merged, shared = merge_regions(labels)
        return RegionalResult(merged, _together(stages), shared, tuple(n_hits))


def tracks_in(state: State, region: Region) -> Int64:
    """(n_hits,) the tracks that have their direction in the region; -1 for all other hits."""
    assert state.labels is not None
    labels: Int64 = state.labels.cpu().numpy().copy()
    on = torch.nonzero(state.labels >= 0).squeeze(1)
    helices = fit_helices(state.hits.straight[on].double(), state.labels[on])
    eta, phi = np.arcsinh(helices.cot.cpu().numpy()), helices.phi0.cpu().numpy()
    outside = np.append(~region.holds(eta, phi), False)  # hits on no track are -1
    labels[outside[labels]] = -1
    return labels


def merge_regions(labels: Sequence[Int64]) -> tuple[Int64, float]:
    """The tracks of several regions, labels (n_hits,) each, as those of one event.

    A hit that several tracks claim goes to the longest of them, of equally long ones to that of
    the first region; a track that is left with less than half of its hits is none. Also gives the
    share of hits on tracks that were claimed twice.
    """
    hit, track, first = [], [], 0
    for one in labels:
        on = np.flatnonzero(one >= 0)
        hit.append(on)
        track.append(one[on] + first)
        first += int(one.max(initial=-1)) + 1
    hits, tracks = np.concatenate(hit), np.concatenate(track)
    size = np.bincount(tracks, minlength=first)
    order = np.lexsort((tracks, -size[tracks], hits))
    hits, tracks = hits[order], tracks[order]
    wins = np.diff(hits, prepend=-1) > 0
    kept = np.bincount(tracks[wins], minlength=first)
    wins &= (2 * kept >= size)[tracks]
    merged = np.full(len(labels[0]), -1, np.int64)
    merged[hits[wins]] = np.unique(tracks[wins], return_inverse=True)[1]
    n_claimed = len(np.unique(hits))
    return merged, (len(hits) - n_claimed) / max(n_claimed, 1)


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
