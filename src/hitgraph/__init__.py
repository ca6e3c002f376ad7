"""Charged-particle track reconstruction with graph neural networks."""

from typing import TYPE_CHECKING

from hitgraph._version import __version__
from hitgraph.cores import advise_libraries
from hitgraph.offered import offer

if TYPE_CHECKING:
    from hitgraph.evaluation.metrics import evaluate
    from hitgraph.event.selection import Selection
    from hitgraph.event.source import read_event
    from hitgraph.pipeline import Pipeline
    from hitgraph.viewer import display

__all__ = ["Pipeline", "Selection", "__version__", "display", "evaluate", "read_event"]

advise_libraries()

__getattr__, __dir__ = offer(
    __name__,
    {
        "Pipeline": "hitgraph.pipeline",
        "Selection": "hitgraph.event.selection",
        "display": "hitgraph.viewer",
        "evaluate": "hitgraph.evaluation.metrics",
        "read_event": "hitgraph.event.source",
    },
)
