"""Events for Phoenix, the event display of HSF: https://phoenix.readthedocs.io.

Its format: guides/developers/event_data_format.md of https://github.com/HSF/phoenix. An event has
collections of Hits, points as [x, y, z], and of Tracks with the points `pos` that they pass and
numbers that its sliders cut on.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.paths import paths, transverse_momenta
from hitgraph.event.event import Event
from hitgraph.text import printable


def phoenix_event(event: Event, tracks: Mapping[str, NDArray[np.integer]]) -> dict[str, Any]:
    """The event object of one event: all hits, and the tracks of each finder as a collection.

    `tracks` are labels (n_hits,) by name, below zero for none. Positions are in mm to 1 um; a track
    is the hits on it from inside out, its pT in GeV that of the circle through three of them.
    """
    hits = event.hits
    place = np.stack([hits.x, hits.y, hits.z], axis=1).astype(np.float64).round(3)
    return {
        "event number": event.number,
        "run number": 0,  # simulated events have none
        "Hits": {"hits": place.tolist()},
        "Tracks": {
            printable(name): _tracks(event, place, labels) for name, labels in tracks.items()
        },
    }


def _tracks(
    event: Event, place: NDArray[np.float64], labels: NDArray[np.integer]
) -> list[dict[str, Any]]:
    on = labels >= 0
    label, on_track = np.unique(labels[on], return_inverse=True)
    track = np.full(event.n_hits, -1, np.int64)
    track[on] = on_track
    followed = paths(event, track, len(label))
    tracks = []
    for number, rows, pt in zip(
        label.tolist(), followed, transverse_momenta(event, followed).tolist(), strict=True
    ):
        one: dict[str, Any] = {"pos": place[rows].tolist(), "track_id": number}
        if np.isfinite(pt):
            one["pT"] = round(pt, 4)
        tracks.append(one)
    return tracks
