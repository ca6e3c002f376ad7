"""hitgraph inside ACTS, and ACTS for hitgraph's events (extra `sim`)."""

from typing import TYPE_CHECKING

from hitgraph.acts.geometry import require_acts
from hitgraph.offered import offer

if TYPE_CHECKING:
    from hitgraph.acts.digitisation import write_digitisation
    from hitgraph.acts.finder import TrackFinder
    from hitgraph.acts.fit import add_kalman_fit, fit_tracks

__all__ = ["TrackFinder", "add_kalman_fit", "fit_tracks", "write_digitisation"]

__getattr__, __dir__ = offer(
    __name__,
    {
        "TrackFinder": "hitgraph.acts.finder",
        "add_kalman_fit": "hitgraph.acts.fit",
        "fit_tracks": "hitgraph.acts.fit",
        "write_digitisation": "hitgraph.acts.digitisation",
    },
    before=lambda: require_acts("hitgraph.acts"),
)
