"""The filter as a stage: candidate edges scored one by one; those below a cut go."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.graph.filter import FilterNetwork, FilterSettings, score_candidates
from hitgraph.hits.columns import (
    check_hit_columns,
    expand_groups,
    without_clusters,
    without_group,
)
from hitgraph.lessons.cuts import cut_at_efficiency
from hitgraph.lessons.material import Material
from hitgraph.lessons.settings import (
    TrainingSettings,
    check_at_least,
    check_share,
    refuse_graph_settings,
)
from hitgraph.lessons.workshop import Workshop
from hitgraph.nn.quantise import quantise_inputs
from hitgraph.pairs import PAIR_FEATURES, PAIR_GROUPS, SHAPE_FEATURES, pair_columns
from hitgraph.stage import Context, StageSettings
from hitgraph.state import CLUSTERS, EDGES, HITS, LOGIT, State
from hitgraph.tensors import SHARE, build_network, learnt_tensors, load_learnt


@dataclass(frozen=True)
class FilterStageSettings(StageSettings):
    """Candidate edges scored one by one by a small network; those below a cut go."""

    network: FilterSettings = field(default_factory=FilterSettings)  # sizes
    training: TrainingSettings = field(default_factory=TrainingSettings)  # of the network
    target_efficiency: float = 0.98  # of true edges entering that pass, on validation events
    batches_per_event: int = 12  # optimiser steps on each event an epoch
    balanced: bool = True  # as many true, hard and easy candidates a step; else as they come
    hit_inputs: tuple[str, ...] = ("position", "clusters")  # where the network sees hits
    pair_inputs: tuple[str, ...] = ("geometry", "shape")  # where it sees pairs

    paper: ClassVar[str] = "2103.06995"
    gives: ClassVar[frozenset[str]] = frozenset({EDGES, LOGIT})

    def __post_init__(self) -> None:
        check_share(self, "target_efficiency")
        refuse_graph_settings(self.training)
        check_at_least(self, batches_per_event=1)
        hits, pairs = self.hit_inputs, self.pair_inputs
        object.__setattr__(self, "hit_inputs", expand_groups(hits) if self.sees("hits") else ())
        object.__setattr__(
            self, "pair_inputs", expand_groups(pairs, PAIR_GROUPS) if self.sees("pairs") else ()
        )
        check_hit_columns("hit_inputs", self.hit_inputs)
        for name in self.pair_inputs:
            if name not in PAIR_FEATURES:
                raise SettingsError(
                    f"pair_inputs: {name!r} is not allowed; any of {', '.join(PAIR_FEATURES)}"
                )
        for kind in ("hit", "pair"):
            if self.sees(f"{kind}s") and not getattr(self, f"{kind}_inputs"):
                raise SettingsError(f"{kind}_inputs: is empty, network.inputs asks for some")

    def sees(self, what: str) -> bool:
        """Whether the network is given "hits", "pairs"."""
        return self.network.inputs in (what, "both")

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        shape = {CLUSTERS} if not set(self.pair_inputs).isdisjoint(SHAPE_FEATURES) else set()
        return frozenset({HITS, EDGES, *shape, *(f"hit.{name}" for name in self.hit_inputs)})

    def settled(self, cells: bool) -> "FilterStageSettings":
        if cells:
            return self
        pairs = without_group(self.pair_inputs, SHAPE_FEATURES)
        return replace(self, hit_inputs=without_clusters(self.hit_inputs), pair_inputs=pairs)

    def build(self) -> FilterNetwork:
        """The untrained network."""
        network = FilterNetwork(self.network, self.hit_inputs, self.pair_inputs)
        return quantise_inputs(network, self.training.quantise.activations)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "FilterStage":
        network, (cut,) = load_learnt(self.build, tensors, context.device, self.network, cut=SHARE)
        return FilterStage(context, network, cut)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "FilterStage":
        from hitgraph.graph.filter.lesson import FilterLesson

        network = build_network(self.build, self.network)
        sample, state = material.train[0]()
        edges = state.graph()
        some = edges[:, :: max(1, edges.shape[1] // 200_000)]
        network.learn_inputs(
            sample.hits.take(self.hit_inputs),
            pair_columns(sample.hits, some, context.detector, self.pair_inputs),
        )
        events = material.train, material.validation
        teacher = workshop.teacher(self.training)
        how = (workshop.truth, workshop.seed, *events, teacher)
        lesson = FilterLesson(self, *how, context.detector)
        merit = workshop.fit(network, lesson, self.training)
        stage = FilterStage(context, network, 0.0)
        cut = cut_at_efficiency(
            self.target_efficiency,
            material.validation,
            lambda state, true: stage.logits(state.with_edges(state.graph()[:, true])),
        )
        workshop.record({**merit, "cut": cut})
        return replace(stage, cut=cut)


@dataclass(frozen=True, eq=False)
class FilterStage:
    """Ready to run."""

    context: Context
    network: FilterNetwork
    cut: float  # edges with a score (0 to 1) below it go

    def __call__(self, state: State) -> State:
        return state.with_edge(logit=self.logits(state)).cut(self.cut)

    def logits(self, state: State) -> Tensor:
        """(n_edges,) of the edges of the state."""
        with self.context.mixed_precision():
            return score_candidates(
                self.network,
                state.hits,
                state.graph(),
                self.context.detector,
                backend=self.context.backend,
            )

    def network_inputs(self, state: State) -> dict[str, Tensor]:
        hits, edges, network = state.hits, state.graph(), self.network
        pairs = pair_columns(
            hits, edges, self.context.detector, network.pair_inputs, self.context.backend
        )
        return {"x": hits.take(network.hit_inputs), "edge_index": edges, "edge_attr": pairs}

    def network_columns(self) -> dict[str, tuple[str, ...]]:
        return {"x": self.network.hit_inputs, "edge_attr": self.network.pair_inputs}

    def tensors(self) -> dict[str, Tensor]:
        return learnt_tensors(self.network, cut=self.cut)
