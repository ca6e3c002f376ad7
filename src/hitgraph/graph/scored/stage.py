"""The scored windows as a stage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.graph.scored.builder import ScoredBuilder
from hitgraph.graph.scored.tables import TENSORS, ScoredWindows
from hitgraph.graph.windows import TENSORS as WINDOW_TENSORS
from hitgraph.graph.windows import ShapeSettings, WindowBuilder
from hitgraph.lessons.material import Material, Read
from hitgraph.lessons.samples import Sample
from hitgraph.lessons.settings import check_above, check_at_least, check_share, check_tail
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context
from hitgraph.state import EDGES, LOGIT, State
from hitgraph.tensors import refuse_others


@dataclass(frozen=True)
class ScoredSettings(ShapeSettings):
    """Pairs of hits within wide windows whose score, a sum of learnt table entries, is high."""

    target_efficiency: float = 0.99  # of the true edges that teach the windows, score included
    skip_weight: float = 0.1  # in the score, of two hits of a particle that are not neighbours
    pair_coverage: float = 0.999  # share of the true edges that the kept layer pairs hold
    max_radius: float = 20.0  # mm, particles born farther out teach the score, not the windows
    tail: float = 0.0005  # share of a layer pair's true edges cut on each side of each window
    cluster_shape: bool | None = None  # a score of clusters too; null: where there are cells
    events: int = 12  # events to learn from, at most

    gives: ClassVar[frozenset[str]] = frozenset({EDGES, LOGIT})

    def __post_init__(self) -> None:
        check_share(self, "target_efficiency", "pair_coverage")
        if not 0 <= self.skip_weight <= 1:
            raise SettingsError(f"skip_weight: {self.skip_weight} is not in [0, 1]")
        check_tail(self, "tail")
        check_above(self, max_radius=0)
        check_at_least(self, events=1)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "ScoredStage":
        refuse_others(tensors, [*WINDOW_TENSORS, *TENSORS, "cut", "density"])
        return ScoredStage(context, ScoredWindows.from_tensors(tensors, self.sees_clusters))

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "ScoredStage":
        from hitgraph.graph.scored.learning import learn_scored_windows

        events = [_sample_of(read) for read in material.some(self.events)]
        workshop.report(f"learning windows from {len(events)} events")
        scored = learn_scored_windows(events, context.detector, self)
        workshop.record({"layer_pairs": len(scored), "cut": scored.cut, "density": scored.density})
        return ScoredStage(context, scored)


def _sample_of(read: Read) -> Callable[[], Sample]:
    return lambda: read().sample


class ScoredStage:
    """Ready to run."""

    def __init__(self, context: Context, scored: ScoredWindows) -> None:
        self.context, self.scored = context, scored
        self.builder = ScoredBuilder(scored, context.detector)

    def __call__(self, state: State) -> State:
        edges, logits = self.builder.search(state.hits, self.context.backend)
        return state.with_edges(edges, logit=logits)

    def tensors(self) -> dict[str, Tensor]:
        return self.scored.tensors()

    def inside(self, state: State) -> dict[str, State]:
        """The edges that pass the windows, before they are scored: for studies of losses."""
        builder = WindowBuilder(self.scored.windows, self.context.detector)
        return {"windows": state.with_edges(builder.build(state.hits, self.context.backend))}
