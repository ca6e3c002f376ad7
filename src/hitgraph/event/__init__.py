"""What the detector saw: tables, files, geometry, truth."""

from typing import TYPE_CHECKING

import hitgraph.kernels as _kernels  # noqa: F401  (finds a place for those of this folder)
from hitgraph.offered import offer

if TYPE_CHECKING:
    from hitgraph.event.detector import Detector
    from hitgraph.event.event import CellTable, Event, HitTable, ParticleTable, TruthTable
    from hitgraph.event.field import MagneticField
    from hitgraph.event.modules import read_detectors
    from hitgraph.event.selection import Selection, selected_hits
    from hitgraph.event.source import EventSource, list_events, read_event
    from hitgraph.event.store import write_detectors, write_event
    from hitgraph.event.trackml import read_tracks, write_submission, write_trackml
    from hitgraph.event.truth import (
        hit_weights,
        particle_rows,
        summarise_particles,
        true_edges,
    )

__all__ = [
    "CellTable",
    "Detector",
    "Event",
    "EventSource",
    "HitTable",
    "MagneticField",
    "ParticleTable",
    "Selection",
    "TruthTable",
    "hit_weights",
    "list_events",
    "particle_rows",
    "read_detectors",
    "read_event",
    "read_tracks",
    "selected_hits",
    "summarise_particles",
    "true_edges",
    "write_detectors",
    "write_event",
    "write_submission",
    "write_trackml",
]

__getattr__, __dir__ = offer(
    __name__,
    {
        "CellTable": "hitgraph.event.event",
        "Detector": "hitgraph.event.detector",
        "Event": "hitgraph.event.event",
        "EventSource": "hitgraph.event.source",
        "HitTable": "hitgraph.event.event",
        "MagneticField": "hitgraph.event.field",
        "ParticleTable": "hitgraph.event.event",
        "Selection": "hitgraph.event.selection",
        "TruthTable": "hitgraph.event.event",
        "hit_weights": "hitgraph.event.truth",
        "list_events": "hitgraph.event.source",
        "particle_rows": "hitgraph.event.truth",
        "read_detectors": "hitgraph.event.modules",
        "read_event": "hitgraph.event.source",
        "read_tracks": "hitgraph.event.trackml",
        "selected_hits": "hitgraph.event.selection",
        "summarise_particles": "hitgraph.event.truth",
        "true_edges": "hitgraph.event.truth",
        "write_detectors": "hitgraph.event.store",
        "write_event": "hitgraph.event.store",
        "write_submission": "hitgraph.event.trackml",
        "write_trackml": "hitgraph.event.trackml",
    },
)
