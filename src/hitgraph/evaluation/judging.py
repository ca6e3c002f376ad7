"""Stages of a pipeline judged by the truth, outside the time that is taken of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hitgraph.evaluation.edges import edge_metrics, edge_truth, score_histogram
from hitgraph.event.event import Event
from hitgraph.event.selection import Selection
from hitgraph.observe import Observer, StageRecord

if TYPE_CHECKING:
    from hitgraph.pipeline import Pipeline, Result
    from hitgraph.state import State

__all__ = ["Judge", "Judged"]

_QUALITY = ("efficiency", "target_efficiency", "purity", "weighted_purity")


class Judge(Observer):
    """Judges the edges of every stage that changes them; says nothing of events without truth.

    `targets` is the `truth` of the recipe.
    """

    def __init__(self, event: Event, targets: Selection) -> None:
        known = event.truth is not None and event.particles is not None
        self.truth = edge_truth(event, targets) if known else None
        self.found: dict[str, dict[str, Any]] = {}

    def after(self, name: str, before: "State | None", after: "State") -> None:
        edges = after.edges
        if self.truth is None or edges is None:
            return
        if before is not None and edges is before.edges:
            return
        quality = edge_metrics(self.truth, edges.cpu().numpy()).to_dict()
        self.found[name] = {key: quality[key] for key in _QUALITY}
        scored = after.scored
        if scored is not None and (before is None or scored is not before.scored):
            scores = scored.logit.sigmoid().cpu().numpy()
            histogram = score_histogram(self.truth, scored.edges.cpu().numpy(), scores)
            self.found[name]["scores"] = histogram.to_dict()

    def judged(self, records: Sequence[StageRecord]) -> tuple[StageRecord, ...]:
        """The records with what was found."""
        return tuple(replace(record, **self.found.get(record.name, {})) for record in records)


@dataclass(frozen=True)
class Judged:
    """A pipeline whose runs are judged where events have truth."""

    pipeline: "Pipeline"

    def run(self, event: Event) -> "Result":
        """As Pipeline.run, with judged stages in the result."""
        judge = Judge(event, self.pipeline.recipe.truth)
        result = self.pipeline.run(event, observers=(judge,))
        return replace(result, stages=judge.judged(result.stages))
