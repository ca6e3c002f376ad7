"""The network of classes as a stage: edges of two particles go, hits get a class."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.gnn.classes.network import ClassNetwork, ClassNetworkSettings, edge_logit
from hitgraph.gnn.graph_stage import GraphStage, GraphStageSettings
from hitgraph.lessons.cuts import cut_at_efficiency
from hitgraph.lessons.material import Material, Read
from hitgraph.lessons.settings import (
    TrainingSettings,
    refuse_graph_settings,
    refuse_trackml_weights,
)
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context
from hitgraph.state import EDGES, LOGIT, State
from hitgraph.tensors import SHARE, build_network, load_learnt

ODD = {"du": (True, False), "dv": (False, True)}  # inputs that change their sign with u, with v


@dataclass(frozen=True)
class ClassSettings(GraphStageSettings):
    """A network for liquid-argon TPCs: edges of one particle with its class, classes of hits."""

    network: ClassNetworkSettings = field(default_factory=ClassNetworkSettings)  # sizes
    training: TrainingSettings = field(default_factory=TrainingSettings)  # of the network
    target_efficiency: float = 0.99  # of true edges entering that pass, on validation events
    hit_inputs: tuple[str, ...] = ("charge", "ly")  # columns of hits
    edge_inputs: tuple[str, ...] = ("du", "dv", "length")  # pair features and columns of edges

    paper: ClassVar[str] = "2103.06233"
    gives: ClassVar[frozenset[str]] = frozenset({EDGES, LOGIT, "hit.classes"})

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_graph_settings(self.training)
        refuse_trackml_weights(self.training)

    def build(self) -> ClassNetwork:
        """The untrained network."""
        return ClassNetwork(self.network, len(self.hit_inputs), len(self.edge_inputs))

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "ClassStage":
        network, (cut,) = load_learnt(self.build, tensors, context.device, self.network, cut=SHARE)
        return ClassStage(context, self, network, cut)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "ClassStage":
        from hitgraph.gnn.classes.lesson import ClassLesson, class_weights

        stage = ClassStage(context, self, build_network(self.build, self.network), 0.0)
        train, validation = (
            [
                workshop.cached(f"{kind}-{k}", partial(stage.graph, read))
                for k, read in enumerate(reads)
            ]
            for kind, reads in (("train", material.train), ("validation", material.validation))
        )
        first = train[0]()
        stage.network.standardise_hits.learn(first["x"])
        stage.network.standardise_edges.learn(first["edge_attr"])
        odd = torch.tensor([ODD.get(name, (False, False)) for name in self.edge_inputs])
        weights = class_weights(train)
        lesson = ClassLesson(workshop.seed, train, validation, *weights, odd)
        merit = workshop.fit(stage.network, lesson, self.training)
        cut = cut_at_efficiency(
            self.target_efficiency,
            material.validation,
            lambda state, true: edge_logit(stage.classes(state)[0])[true],
        )
        workshop.record({**merit, "cut": cut})
        return replace(stage, cut=cut)


@dataclass(frozen=True, eq=False)
class ClassStage(GraphStage):
    """Ready to run."""

    network: ClassNetwork

    def __call__(self, state: State) -> State:
        """With `hit.classes` (n_hits, n_classes), shares that sum to 1."""
        edges, hits = self.classes(state)
        state = state.with_hit(classes=hits.softmax(dim=1))
        return state.with_edge(logit=edge_logit(edges)).cut(self.cut)

    def classes(self, state: State) -> tuple[Tensor, Tensor]:
        """Logits of the classes of edges and of hits."""
        x, edge_attr = self.inputs(state)
        with torch.no_grad(), self.context.mixed_precision():
            edges, hits = self.network(x, state.graph(), edge_attr)
        return edges.float(), hits.float()

    def graph(self, read: Read) -> dict[str, Tensor]:
        """What the lesson reads of one event."""
        from hitgraph.gnn.classes.lesson import true_classes

        sample, state = read()
        x, edge_attr = self.inputs(state)
        y = true_classes(sample, state.graph())
        return {
            "x": x,
            "edge_index": state.graph().int(),
            "edge_attr": edge_attr,
            "y": y.to(torch.uint8),
        }
