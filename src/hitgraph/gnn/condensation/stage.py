"""GravNet as a stage, taught by object condensation: beta and a place for every hit."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.gnn.condensation.network import GravNet, GravNetSettings
from hitgraph.hits.columns import check_hit_columns, expand_groups, without_clusters
from hitgraph.lessons.material import Material
from hitgraph.lessons.settings import (
    TrainingSettings,
    check_above,
    check_at_least,
    check_not_empty,
    refuse_graph_settings,
    refuse_teacher,
    refuse_trackml_weights,
)
from hitgraph.lessons.workshop import Workshop
from hitgraph.nn.azimuths import AZIMUTHS
from hitgraph.stage import Context, StageSettings
from hitgraph.state import HITS, State
from hitgraph.tensors import build_network, learnt_tensors, load_learnt


@dataclass(frozen=True)
class GravNetStageSettings(StageSettings):
    """GravNet taught by object condensation: a place for every hit in a space where hits gather."""

    network: GravNetSettings = field(default_factory=GravNetSettings)  # sizes
    training: TrainingSettings = field(default_factory=TrainingSettings)  # of the network
    hit_inputs: tuple[str, ...] = ("position",)  # columns of hits, or groups of theirs
    centre: tuple[str, ...] = ()  # those of hit_inputs that count from their mean in the event
    weigh_by: str = ""  # column: hits count in the loss by their share of it in their particle
    q_min: float = 0.5  # least charge of a hit, which pulls and pushes where beta is small
    repulsion: float = 1.0  # weight in the loss, beside the attraction's 1
    noise: float = 0.1  # weight of the mean beta of noise
    sectors: int = 1  # train on this many phi sectors of an event, one a step

    paper: ClassVar[str] = "1902.07987"
    gives: ClassVar[frozenset[str]] = frozenset({"hit.beta", "hit.place"})

    def __post_init__(self) -> None:
        refuse_graph_settings(self.training)
        refuse_teacher(self.training)
        refuse_trackml_weights(self.training)
        check_at_least(self, repulsion=0, noise=0, sectors=1)
        check_above(self, q_min=0)
        object.__setattr__(self, "hit_inputs", expand_groups(self.hit_inputs))
        check_not_empty(self, "hit_inputs")
        for name in self.centre:
            if name not in self.hit_inputs or name in AZIMUTHS:
                raise SettingsError(
                    f"centre: {name!r} is not allowed, hit_inputs that are no angle"
                )
        if self.centre and self.sectors > 1:
            raise SettingsError("centre: is for whole events, so sectors has to be 1")
        if self.weigh_by:
            check_hit_columns("weigh_by", [self.weigh_by])

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        names = {*self.hit_inputs, *([self.weigh_by] if self.weigh_by else [])}
        return frozenset({HITS, *(f"hit.{name}" for name in names)})

    def settled(self, cells: bool) -> "GravNetStageSettings":
        return self if cells else replace(self, hit_inputs=without_clusters(self.hit_inputs))

    def build(self) -> GravNet:
        """The untrained network."""
        return GravNet(self.network, self.hit_inputs, self.centre)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "GravNetStage":
        network, _ = load_learnt(self.build, tensors, context.device, self.network)
        return GravNetStage(context, self, network)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "GravNetStage":
        from hitgraph.gnn.condensation.lesson import CondensationLesson

        network = build_network(self.build, self.network)
        network.learn_inputs(material.train[0]().state.hit_columns(self.hit_inputs))
        lesson = CondensationLesson(self, workshop.seed, material.train, material.validation)
        workshop.record(workshop.fit(network, lesson, self.training))
        return GravNetStage(context, self, network)


@dataclass(frozen=True, eq=False)
class GravNetStage:
    """Ready to run."""

    context: Context
    settings: GravNetStageSettings
    network: GravNet

    def __post_init__(self) -> None:
        self.network.backend = self.context.backend

    def __call__(self, state: State) -> State:
        with torch.no_grad(), self.context.mixed_precision():
            beta, place = self.network(state.hit_columns(self.settings.hit_inputs))
        return state.with_hit(beta=torch.sigmoid(beta), place=place)

    def tensors(self) -> dict[str, Tensor]:
        return learnt_tensors(self.network)
