"""Metric learning as a stage: hits that lie near each other in a learnt space are joined."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.graph.radius.embedding import EmbeddingNetwork, EmbeddingSettings, RadiusBuilder
from hitgraph.hits.columns import check_hit_columns, expand_groups, without_clusters
from hitgraph.lessons.material import Material
from hitgraph.lessons.settings import (
    TrainingSettings,
    check_at_least,
    check_not_empty,
    check_share,
    refuse_graph_settings,
    refuse_teacher,
)
from hitgraph.lessons.workshop import Workshop
from hitgraph.nn.quantise import quantise_inputs
from hitgraph.stage import Context, StageSettings
from hitgraph.state import EDGES, HITS, State
from hitgraph.tensors import NOT_NEGATIVE, build_network, learnt_tensors, load_learnt


@dataclass(frozen=True)
class RadiusSettings(StageSettings):
    """Pairs of hits within a radius in a learnt space."""

    network: EmbeddingSettings = field(default_factory=EmbeddingSettings)  # sizes
    training: TrainingSettings = field(default_factory=TrainingSettings)  # of the network
    target_efficiency: float = 0.98  # of true edges within the radius, on validation events
    max_neighbours: int | None = None  # nearest ones kept a hit
    sectors: int = 1  # train on this many phi sectors of an event, one a step
    random_epochs: int = 1  # epochs with random pairs only, before hard negatives are mined
    true_pairs: Literal["neighbours", "track"] = "neighbours"  # on a track, or all of a track
    hit_inputs: tuple[str, ...] = ("position", "clusters")  # columns of hits, or their groups

    paper: ClassVar[str] = "2103.06995"
    gives: ClassVar[frozenset[str]] = frozenset({EDGES})

    def __post_init__(self) -> None:
        check_share(self, "target_efficiency")
        refuse_graph_settings(self.training)
        refuse_teacher(self.training)
        if self.max_neighbours is not None and self.max_neighbours < 1:
            raise SettingsError(
                f"max_neighbours: {self.max_neighbours} is not allowed, at least 1 or null for all"
            )
        check_at_least(self, random_epochs=0, sectors=1)
        object.__setattr__(self, "hit_inputs", expand_groups(self.hit_inputs))
        check_hit_columns("hit_inputs", self.hit_inputs)
        check_not_empty(self, "hit_inputs")

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({HITS, *(f"hit.{name}" for name in self.hit_inputs)})

    def settled(self, cells: bool) -> "RadiusSettings":
        return self if cells else replace(self, hit_inputs=without_clusters(self.hit_inputs))

    def build(self) -> EmbeddingNetwork:
        """The untrained network."""
        network = EmbeddingNetwork(self.network, self.hit_inputs)
        return quantise_inputs(network, self.training.quantise.activations)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "RadiusStage":
        network, (radius,) = load_learnt(
            self.build, tensors, context.device, self.network, radius=NOT_NEGATIVE
        )
        return RadiusStage(context, self, network, radius)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "RadiusStage":
        from hitgraph.graph.radius.lesson import EmbeddingLesson, radius_at_efficiency

        network = build_network(self.build, self.network)
        network.learn_inputs(material.train[0]().sample.hits.take(self.hit_inputs))
        events = material.train, material.validation
        lesson = EmbeddingLesson(self, workshop.truth, workshop.seed, *events)
        merit = workshop.fit(network, lesson, self.training)
        radius = radius_at_efficiency(network, material.validation, self.target_efficiency)
        workshop.record({**merit, "radius": radius})
        return RadiusStage(context, self, network, radius)


@dataclass(frozen=True, eq=False)
class RadiusStage:
    """Ready to run."""

    context: Context
    settings: RadiusSettings
    network: EmbeddingNetwork
    radius: float  # in the learnt space

    def __call__(self, state: State) -> State:
        builder = RadiusBuilder(self.network, self.radius, self.settings.max_neighbours)
        return state.with_edges(builder.build(state.hits, self.context.backend))

    def network_inputs(self, state: State) -> dict[str, Tensor]:
        return {"x": state.hits.take(self.settings.hit_inputs)}

    def network_columns(self) -> dict[str, tuple[str, ...]]:
        return {"x": self.settings.hit_inputs}

    def tensors(self) -> dict[str, Tensor]:
        return learnt_tensors(self.network, radius=self.radius)
