"""What runs events, who looks on, and what is noted of its stages."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from hitgraph.event.event import Event
    from hitgraph.pipeline import Result
    from hitgraph.state import State

__all__ = ["Observer", "Runs", "StageRecord"]


@dataclass(frozen=True)
class StageRecord:
    """What one stage did to an event; the quality is known where the event was judged."""

    name: str
    seconds: float  # wall time
    edges: int | None = None  # edges left after it, where it has changed them
    efficiency: float | None = None  # true edges kept
    target_efficiency: float | None = None  # true edges of target particles kept
    purity: float | None = None  # edges that join hits of one particle
    weighted_purity: float | None = None  # arXiv 2103.06995, equation 4
    scores: Mapping[str, Any] | None = None  # histogram of the scores given here


class Runs(Protocol):
    """A pipeline, or something that stands before it."""

    def run(self, event: "Event") -> "Result": ...


class Observer:
    """Looks on while a pipeline runs; a subclass does what it wants to."""

    def around(self, name: str) -> AbstractContextManager[object]:  # noqa: ARG002
        """Entered for the work of a stage."""
        return nullcontext()

    def after(self, name: str, before: "State | None", after: "State") -> None:
        """Called with the state before and after each stage; before the first there is none."""
