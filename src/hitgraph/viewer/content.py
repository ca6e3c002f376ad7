"""What a page shows of an event: hits, particles, tracks with what became of them, graphs."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.matching import check_labels
from hitgraph.evaluation.metrics import MIN_TRACK_HITS
from hitgraph.evaluation.outcomes import outcomes
from hitgraph.evaluation.paths import paths, transverse_momenta
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.selection import SELECTED, Selection
from hitgraph.event.truth import particle_rows, summarise_particles
from hitgraph.viewer.edges import MOST_EDGES, graph_columns, scored_edges

if TYPE_CHECKING:
    from hitgraph.state import State

Columns = dict[str, NDArray[Any]]
Int64 = NDArray[np.int64]


STRAIGHT = 1e6  # GeV, of tracks that do not bend


class Kind(IntEnum):
    """What became of a track; the numbers stand in pages."""

    FOUND = 0  # matches its particle
    MERGED = 1  # has most of the hits of several particles and matches none
    FAKE = 2  # matches none
    SHORT = 3  # of too few hits to count
    TRACK = 4  # nobody knows: the event has no truth


@dataclass(frozen=True)
class Options:
    """How tracks are judged, and how much of a graph is kept."""

    min_track_hits: int = MIN_TRACK_HITS
    selection: Selection = SELECTED
    most_edges: int = MOST_EDGES  # of each graph


DEFAULT = Options()


@dataclass(frozen=True, eq=False)
class Content:
    """The columns of one event, ready to be packed."""

    name: str
    judged: bool  # whether the event has truth and particles
    hits: Columns
    particles: Columns
    tracks: dict[str, Columns]  # by the name of who found them
    graphs: dict[str, Columns]  # by stage
    n_edges: dict[str, int]  # of each stage, of which `graphs` may have some
    detector: Detector | None


def content_of(
    event: Event,
    tracks: Mapping[str, NDArray[np.integer]],
    states: "Mapping[str, State]",
    options: Options = DEFAULT,
) -> Content:
    """What a page shows of an event.

    `tracks` are labels (n_hits,) by name, below zero for hits on no track; `states` are those of
    a pipeline after some of its stages, those without edges are passed over. Raises InputError for
    labels that do not fit.
    """
    judged = event.truth is not None and event.particles is not None
    row = particle_rows(event) if judged else np.full(event.n_hits, -1, np.int64)
    pt = summarise_particles(event).pt if judged else np.zeros(0)
    graphs = {name: state for name, state in states.items() if state.edges is not None}
    return Content(
        name=event.name,
        judged=judged,
        hits=_hits(event, row),
        particles=_particles(event) if judged else {},
        tracks={name: _tracks(event, labels, options) for name, labels in tracks.items()},
        graphs={
            name: graph_columns(state, row if judged else None, pt, options.most_edges)
            for name, state in graphs.items()
        },
        n_edges={name: scored_edges(state)[0].shape[1] for name, state in graphs.items()},
        detector=event.detector,
    )


def _hits(event: Event, particle: Int64) -> Columns:
    hits = event.hits
    return {
        "x": hits.x,
        "y": hits.y,
        "z": hits.z,
        "id": hits.hit_id,
        "volume": hits.volume_id,
        "layer": hits.layer_id,
        "module": hits.module_id,
        "particle": particle,  # row among the particles, -1 for noise
    }


def _particles(event: Event) -> Columns:
    summary = summarise_particles(event)
    return {
        "id": summary.particle_id,
        "pt": summary.pt,
        "eta": summary.eta,
        "pdg": summary.pdg,
        "n_hits": summary.n_hits,
    }


def _tracks(event: Event, labels: NDArray[np.integer], options: Options) -> Columns:
    """Columns of hits (track), of tracks, and of particles (missed)."""
    check_labels(labels, event.n_hits)
    if event.truth is None or event.particles is None:
        label, on_track = np.unique(labels[labels >= 0], return_inverse=True)
        track = np.full(event.n_hits, -1, np.int64)
        track[labels >= 0] = on_track
        columns = {"kind": np.full(len(label), Kind.TRACK)}
    else:
        judged = outcomes(event, labels, options.min_track_hits, options.selection)
        matches, track = judged.matches, judged.matches.track
        label = matches.label
        known = judged.particles.particle_id
        owner = np.searchsorted(known, matches.particle_id)
        owner = np.minimum(owner, max(len(known) - 1, 0))
        real = (known[owner] == matches.particle_id) if len(known) else np.zeros(len(label), bool)
        kinds = [judged.found, judged.merged, judged.fake]
        columns = {
            "kind": np.select(kinds, [Kind.FOUND, Kind.MERGED, Kind.FAKE], Kind.SHORT),
            "particle": np.where(real, owner, -1),
            "shared": matches.n_shared,
            "missed": judged.missed,
            "selected": judged.reconstructable,
        }
    followed = paths(event, track, len(label))
    return columns | {
        "track": track,
        "label": label,
        "n_hits": np.array([len(rows) for rows in followed], np.int64),
        "pt": np.minimum(transverse_momenta(event, followed), STRAIGHT),
    }
