"""The triplet filter as a stage: edges judged by the edges that continue them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.graph.triplets import SUPPORT, TripletFilter, TripletSettings, judge_edges
from hitgraph.lessons.cuts import cut_at_efficiency
from hitgraph.lessons.material import Material
from hitgraph.lessons.settings import (
    TrainingSettings,
    check_at_least,
    check_share,
    refuse_graph_settings,
    refuse_trackml_weights,
)
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, StageSettings
from hitgraph.state import EDGES, HITS, LOGIT, State
from hitgraph.tensors import SHARE, build_network, learnt_tensors, load_learnt


@dataclass(frozen=True)
class TripletStageSettings(StageSettings):
    """Edges judged by the edges that continue them; those below a cut go."""

    network: TripletSettings = field(default_factory=TripletSettings)  # sizes and reach
    training: TrainingSettings = field(default_factory=TrainingSettings)  # of either network
    target_efficiency: float = 0.99  # of true edges entering that pass, on validation events
    skip_weight: float = 0.1  # in the loss, of two hits of a particle that are not neighbours
    events: int = 16  # training events to learn from, at most
    rows_per_event: int = 600_000  # triplets, and then edges, taken at random from each of them

    paper: ClassVar[str] = "2103.06995"
    needs: ClassVar[frozenset[str]] = frozenset({HITS, EDGES, LOGIT})
    gives: ClassVar[frozenset[str]] = frozenset(
        {EDGES, LOGIT, *(f"edge.{name}" for name in SUPPORT)}
    )
    n_networks: ClassVar[int] = 2  # of triplets, then of edges

    def __post_init__(self) -> None:
        check_share(self, "target_efficiency")
        refuse_graph_settings(self.training)
        refuse_trackml_weights(self.training)
        if not 0 <= self.skip_weight <= 1:
            raise SettingsError(f"skip_weight: {self.skip_weight} is not in [0, 1]")
        check_at_least(self, events=1, rows_per_event=1)

    def build(self) -> TripletFilter:
        """The untrained networks."""
        return TripletFilter(self.network)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "TripletStage":
        network, (cut,) = load_learnt(self.build, tensors, context.device, self.network, cut=SHARE)
        return TripletStage(context, network, cut)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "TripletStage":
        from hitgraph.graph.triplets.lesson import TripletLessons

        network = build_network(self.build, self.network)
        teacher = workshop.teacher(self.training)
        lessons = TripletLessons(self, workshop.truth, workshop.seed, teacher)
        some = material.some(self.events)
        merit: dict[str, Any] = {}
        for part, module in (("triplet", network.triplet), ("edge", network.edge)):
            lesson = None
            if not workshop.is_fitted(part):
                workshop.report(f"{part}s of {len(some)} events to learn from")
                lesson = lessons.prepare(network, part, some, material.validation)
                module.standardise.learn(lesson.rows)
            facts = workshop.fit(module, lesson, self.training, part)
            merit |= {f"{part}_{key}": value for key, value in facts.items()}
        stage = TripletStage(context, network, 0.0)
        cut = cut_at_efficiency(
            self.target_efficiency,
            material.validation,
            lambda state, true: stage.logits(state)[true],
        )
        workshop.record({**merit, "cut": cut})
        return replace(stage, cut=cut)


@dataclass(frozen=True, eq=False)
class TripletStage:
    """Ready to run."""

    context: Context
    network: TripletFilter
    cut: float  # edges with a score (0 to 1) below it go

    def __call__(self, state: State) -> State:
        return self.judge(state).cut(self.cut)

    def logits(self, state: State) -> Tensor:
        """(n_edges,) of the edges of the state."""
        return self.judge(state).edge["logit"]

    def judge(self, state: State) -> State:
        """All edges, with new logits and their support."""
        with self.context.mixed_precision():
            logits, support = judge_edges(
                self.network,
                state.hits,
                state.graph(),
                state.edge["logit"],
                self.context.backend,
            )
        columns = dict(zip(SUPPORT, support.unbind(dim=1), strict=True))
        return state.with_edge(logit=logits, **columns)

    def tensors(self) -> dict[str, Tensor]:
        return learnt_tensors(self.network, cut=self.cut)
